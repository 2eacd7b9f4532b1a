"""Safetensors files that are none: whoever reads one says so in a line, and allocates nothing."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from segkit.engine.checkpoints import read_checkpoint, read_safetensors
from segkit.errors import SegkitError


@pytest.fixture
def whole(tmp_path):
    """Header and data of a good file with two tensors."""
    save_file({"a": torch.ones(4), "b": torch.zeros(2, 3)}, tmp_path / "whole.safetensors")
    data = (tmp_path / "whole.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def file_of(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def changed(header, **over):
    return header | {"a": header["a"] | over}


MALFORMED = {
    "shorter than its length": lambda h, d: b"\x01\x02",
    "a header of length 0": lambda h, d: struct.pack("<Q", 0) + d,
    "a header longer than the file": lambda h, d: struct.pack("<Q", 1 << 20) + b"{}",
    "a header of 2^63 bytes": lambda h, d: struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "a header that is no text": lambda h, d: file_of(b"\xff" * 16, d),
    "a header that is no JSON": lambda h, d: file_of(b"{'a': 1}", d),
    "a header that is a list": lambda h, d: file_of([1, 2], d),
    "an unknown kind of number": lambda h, d: file_of(changed(h, dtype="F33"), d),
    "a shape below zero": lambda h, d: file_of(changed(h, shape=[-4]), d),
    "a shape that overflows": lambda h, d: file_of(changed(h, shape=[1 << 62, 1 << 62]), d),
    "a shape that its bytes do not fill": lambda h, d: file_of(changed(h, shape=[5]), d),
    "bytes beyond the end": lambda h, d: file_of(changed(h, data_offsets=[0, 1 << 40]), d),
    "two tensors in the same bytes": lambda h, d: file_of(
        changed(h, data_offsets=h["b"]["data_offsets"]), d
    ),
    "bytes that end before they begin": lambda h, d: file_of(changed(h, data_offsets=[16, 0]), d),
    "cut off": lambda h, d: file_of(h, d[:-4]),
    "bytes that belong to nobody": lambda h, d: file_of(h, d + b"more"),
}


@pytest.mark.parametrize("reader", [read_safetensors, read_checkpoint])
@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_is_one_line(kind, reader, whole, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(MALFORMED[kind](*whole))
    with pytest.raises(SegkitError) as caught:
        reader(path)
    said = caught.value.as_text()
    assert str(path) in said
    assert len(said.splitlines()) <= 2
    assert said.isprintable() or said.count("\n") == 1


def test_the_whole_file_is_read(whole, tmp_path):
    path = tmp_path / "good.safetensors"
    path.write_bytes(file_of(*whole))
    assert set(read_safetensors(path)) == set(read_checkpoint(path)) == {"a", "b"}
