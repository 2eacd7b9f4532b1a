"""Whole masks as COCO's compressed run lengths: columns first, zeros first."""

from __future__ import annotations

import numpy as np

from segkit.data.outlines import runlengths


def runs(mask: np.ndarray) -> list[int]:
    """The lengths of the runs of a mask (H, W), in column order; the first counts zeros."""
    return runlengths.alternating((mask > 0).ravel(order="F"))


def encode(mask: np.ndarray) -> str:
    """The compressed text of a mask."""
    return runlengths.compress(runs(mask))


def decode(text: str, height: int, width: int) -> np.ndarray:
    """The mask uint8 (H, W) of a compressed text."""
    value = {"counts": text}
    return runlengths.from_coco(value, (height, width)).astype(np.uint8)
