"""Test-time augmentation: the same picture seen several ways, the answers turned back and averaged.

The functions work on numpy arrays and on torch tensors alike, so that ONNX files need no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from segkit.errors import unknown

MODES = ("none", "flips", "d4")


class Symmetry(NamedTuple):
    """One symmetry of the square: transpose first, then flip."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool


_FLIPS = tuple(
    Symmetry(False, rows, columns) for rows in (False, True) for columns in (False, True)
)
_VIEWS = {
    "none": _FLIPS[:1],
    "flips": _FLIPS,
    "d4": _FLIPS + tuple(Symmetry(True, *view[1:]) for view in _FLIPS),
}


def views(mode: str) -> tuple[Symmetry, ...]:
    """The views of a mode: 1 for `none`, 4 for `flips`, 8 for `d4`."""
    if mode not in _VIEWS:
        raise unknown("test-time augmentation", mode, MODES)
    return _VIEWS[mode]


def apply(array: Any, view: Symmetry) -> Any:
    """(B, C, H, W) as the view sees it."""
    if view.transpose:
        array = array.swapaxes(2, 3)
    return _flip(array, view)


def undo(array: Any, view: Symmetry) -> Any:
    """The inverse of `apply`."""
    array = _flip(array, view)
    return array.swapaxes(2, 3) if view.transpose else array


def average(inputs: Any, predict: Callable[[Any], Any], mode: str) -> Any:
    """Mean over the views of `predict`: inputs (B, 3, H, W) -> probabilities (B, K, H, W)."""
    answers = (undo(predict(apply(inputs, view)), view) for view in views(mode))
    total = next(answers)
    for answer in answers:
        total = total + answer
    count = len(views(mode))
    return total if count == 1 else total / count


def mirrored_masks(segmenter: Any, images: Any) -> Any:
    """Masks of the mirrored pictures, turned back: uint8 (B, H, W, 3) -> bool (B, 3, H, W)."""
    import numpy as np

    found = []
    for axes in ((1,), (2,), (1, 2)):
        answer = np.asarray(segmenter.masks(np.ascontiguousarray(np.flip(images, axes))))
        found.append(np.flip(answer, axes) != 0)
    return np.stack(found, axis=1)


def _flip(array: Any, view: Symmetry) -> Any:
    axes = [axis for axis, wanted in ((2, view.flip_rows), (3, view.flip_columns)) if wanted]
    if not axes:
        return array
    if hasattr(array, "flip"):  # torch
        return array.flip(axes)
    import numpy as np

    return np.ascontiguousarray(np.flip(array, tuple(axes)))
