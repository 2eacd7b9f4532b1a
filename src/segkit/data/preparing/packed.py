"""Appending to .npy files: flat memory, resumable after a kill, the same bytes for the same
input.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

HEADER = 128
ITEMS = "items.jsonl"


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """A version 1.0 header padded to a fixed length, so that the count can be filled in at
    the end.
    """
    text = repr({"descr": dtype.str, "fortran_order": False, "shape": shape})
    room = HEADER - 10
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"


class PackedWriter:
    """Arrays that grow row by row beside a journal of finished items.

    A row counts once its journal line is whole: after a kill, `done` rows are kept and the rest is
    cut off.
    """

    def __init__(self, folder: Path, arrays: dict[str, tuple[str, tuple[int, ...]]]):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kinds = {name: (np.dtype(kind), shape) for name, (kind, shape) in arrays.items()}
        self.items = _finished(folder / ITEMS)
        self.rows = sum(1 for item in self.items if item.get("row") is not None)
        self.files = {name: self._open(name) for name in arrays}
        self.journal = open(folder / ITEMS, "a", encoding="utf-8")  # noqa: SIM115 - closed in close()

    def _open(self, name: str) -> IO[bytes]:
        path = self.folder / name
        path.touch()
        handle = open(path, "r+b")  # noqa: SIM115 - closed in close()
        dtype, shape = self.kinds[name]
        row = dtype.itemsize * int(np.prod(shape))
        expected = HEADER + row * self.rows
        handle.truncate(expected)
        handle.seek(expected)
        return handle

    def add(self, item: dict[str, Any], rows: dict[str, NDArray] | None) -> None:
        """Append an item, with a row in every array unless `rows` is None (an item that is kept
        out).
        """
        if rows is not None:
            item = {**item, "row": self.rows}
            for name, handle in self.files.items():
                handle.write(np.ascontiguousarray(rows[name], self.kinds[name][0]).tobytes())
                handle.flush()
            self.rows += 1
        self.items.append(item)
        self.journal.write(json.dumps(item, ensure_ascii=False) + "\n")
        self.journal.flush()

    def close(self) -> None:
        """Write the headers with the final count."""
        self.journal.close()
        for name, handle in self.files.items():
            dtype, shape = self.kinds[name]
            handle.seek(0)
            handle.write(npy_header(dtype, (self.rows, *shape)))
            handle.close()

    def abandon(self) -> None:
        """Close without finishing; the rows stay for the next try."""
        closing = [self.journal.close, *(handle.close for handle in self.files.values())]
        for close in closing:
            with contextlib.suppress(OSError):  # a full disk: what could not be flushed is lost
                close()


def _finished(journal: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a torn last line is cut off."""
    if not journal.is_file():
        return []
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    os.truncate(journal, len(whole))
    return list(_parsed(whole.decode().splitlines()))


def _parsed(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        yield json.loads(line)
