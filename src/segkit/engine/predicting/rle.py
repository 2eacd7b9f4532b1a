"""Masks as run lengths, as COCO keeps them: columns first, runs of 0 and 1 in turn, 0 first.

The text is COCO's compressed form: from the third run on the difference to the run two before, in
groups of five bits with a sixth that says whether more follow, each 48 above its value.
"""

from __future__ import annotations

import numpy as np


def runs(mask: np.ndarray) -> list[int]:
    """The lengths of the runs of a mask (H, W), in column order; the first counts zeros."""
    flat = (mask > 0).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def encode(mask: np.ndarray) -> str:
    """The compressed text of a mask."""
    lengths = runs(mask)
    text: list[str] = []
    for index, length in enumerate(lengths):
        value, more = length - (lengths[index - 2] if index > 2 else 0), True
        while more:
            group, value = value & 31, value >> 5
            more = value != -1 if group & 16 else value != 0
            text.append(chr(48 + group + 32 * more))
    return "".join(text)


def decode(text: str, height: int, width: int) -> np.ndarray:
    """The mask uint8 (H, W) of a compressed text."""
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        group = ord(letter) - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    values = np.arange(len(lengths)) % 2
    return np.repeat(values, lengths).astype(np.uint8).reshape((height, width), order="F")
