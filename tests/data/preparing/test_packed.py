"""Growing arrays: torn ends are cut off, headers are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segkit.data.preparing.packed import HEADER, ITEMS, PackedWriter, npy_header

KINDS = {"a.npy": ("u1", (2, 3)), "b.npy": ("<u2", (2,))}


def row(value: int) -> dict[str, np.ndarray]:
    return {"a.npy": np.full((2, 3), value, np.uint8), "b.npy": np.full(2, value, np.uint16)}


def test_header_has_a_fixed_length_and_is_readable(tmp_path: Path) -> None:
    for count in (0, 1, 10**9):
        assert len(npy_header(np.dtype("u1"), (count, 4096, 4096, 3))) == HEADER
    (tmp_path / "x.npy").write_bytes(npy_header(np.dtype("<u2"), (2, 2)) + bytes(range(8)))
    assert np.load(tmp_path / "x.npy").tolist() == [[256, 770], [1284, 1798]]


def test_a_torn_end_is_cut_off_at_each_return(tmp_path: Path) -> None:
    writer = PackedWriter(tmp_path, KINDS)
    writer.add({"id": "one"}, row(1))
    writer.add({"id": "broken"}, None)
    writer.abandon()
    for _ in range(2):  # killed twice, in the middle of a row and of a line
        with open(tmp_path / "a.npy", "ab") as array, open(tmp_path / ITEMS, "ab") as journal:
            array.write(b"\xff" * 400)
            journal.write(b'{"id": "to')
        writer = PackedWriter(tmp_path, KINDS)
        assert [item["id"] for item in writer.items] == ["one", "broken"]
        assert writer.rows == 1
        writer.abandon()
    writer = PackedWriter(tmp_path, KINDS)
    writer.add({"id": "two"}, row(2))
    writer.close()
    assert (tmp_path / "a.npy").stat().st_size == HEADER + 2 * 6
    assert np.load(tmp_path / "a.npy", mmap_mode="r")[:, 0, 0].tolist() == [1, 2]
    assert np.load(tmp_path / "b.npy").tolist() == [[1, 1], [2, 2]]
    again = PackedWriter(tmp_path, KINDS)
    assert [item["id"] for item in again.items] == ["one", "broken", "two"]
    again.abandon()
