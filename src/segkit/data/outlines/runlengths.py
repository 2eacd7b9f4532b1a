"""Run lengths: COCO's (down the columns), CVAT's (along the rows of a box), Label Studio's bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.data.outlines.rings import MaskPart
from segkit.errors import SegkitError

Mask = NDArray[np.bool_]


def alternating(flat: NDArray[np.bool_]) -> list[int]:
    """Lengths of equal values, those of False first (it may be 0)."""
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()


def expand(runs: Sequence[int]) -> NDArray[np.bool_]:
    """The values that alternating lengths stand for."""
    return np.repeat(np.arange(len(runs)) % 2, runs).astype(bool)


def to_coco(part: MaskPart, shape: tuple[int, int]) -> dict[str, Any]:
    """Compressed run lengths of a part in its picture; only its box is looked at."""
    height, width = shape
    box = np.pad(part.pixels.T, ((0, 0), (1, 1))).astype(np.int8)
    column, begin = np.nonzero(np.diff(box) == 1)
    _, end = np.nonzero(np.diff(box) == -1)
    offset = (column + part.left) * height + part.top
    edges = np.stack([offset + begin, offset + end], axis=1).ravel()
    twice = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1  # a run that goes on below
    edges = np.delete(edges, np.concatenate([twice, twice + 1]))
    runs = np.diff(np.concatenate([[0], edges, [height * width]])).tolist()
    return {"size": [height, width], "counts": compress(runs)}


def from_coco(value: Mapping[str, Any], shape: tuple[int, ...]) -> Mask:
    """COCO run lengths go down the columns, background first; compressed ones are text."""
    counts = value["counts"]
    runs = uncompress(counts) if isinstance(counts, str) else [int(count) for count in counts]
    height, width = value.get("size", shape)
    total = sum(runs)
    if min(runs, default=0) < 0 or total != height * width or (height, width) != tuple(shape):
        raise SegkitError("a run length does not fit its picture", f"{total} pixels of {shape}")
    return expand(runs).reshape(width, height).T


def compress(runs: Sequence[int]) -> str:
    """COCO's text form: 5 bits a character, differences from the count before last."""
    text = []
    for k, run in enumerate(runs):
        value, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(text)


def uncompress(text: str) -> list[int]:
    """The counts of COCO's text form."""
    counts: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[position]) - 48
            value |= (bits & 0x1F) << shift
            more = bool(bits & 0x20)
            position += 1
            shift += 5
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def from_label_studio(data: Sequence[int], shape: tuple[int, int]) -> Mask:
    """A brush of Label Studio: packed runs of the bytes of an RGBA picture; alpha is the mask."""
    bits = np.unpackbits(np.asarray(data, np.uint8))
    place = 0

    def read(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise SegkitError("a brush of Label Studio ends early", f"{len(data)} bytes")
        value = int("".join(map(str, bits[place : place + count])), 2)
        place += count
        return value

    total, word = read(32), read(5) + 1
    if total != shape[0] * shape[1] * 4:
        raise SegkitError("a brush of Label Studio does not fit its picture", f"{total} values")
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[tuple[int, int]] = []  # value, length
    done = 0
    while done < total:
        same = read(1)
        length = 1 + read(sizes[read(2)])
        values += [(read(word), length)] if same else [(read(word), 1) for _ in range(length)]
        done += length
    flat = np.repeat([v for v, _ in values], [n for _, n in values])[:total]
    return flat.reshape(*shape, 4)[..., 3] > 0
