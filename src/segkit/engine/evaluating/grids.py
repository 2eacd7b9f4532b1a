"""Distances of different grids: pixels are not comparable, shares of a picture's diagonal are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segkit.data.geometry import geometry

Grid = tuple[int, int, str]  # H, W, resize


def grid_name(grid: Grid) -> str:
    """`256×256`, or `512×512 letterbox`."""
    high, wide, resize = grid
    return f"{high}×{wide}" + ("" if resize == "stretch" else f" {resize}")


def diagonals(heights: Sequence[float], widths: Sequence[float], grid: Grid) -> np.ndarray:
    """The diagonal in pixels that each original picture has on a grid, its padding left out."""
    high, wide, resize = grid
    if resize == "stretch":
        return np.full(len(heights), float(np.hypot(high, wide)))
    shapes = [(int(h), int(w)) for h, w in zip(heights, widths, strict=True)]
    inside = [geometry(shape, (high, wide), resize).content for shape in shapes]  # type: ignore[arg-type]
    return np.array([np.hypot(*content) for content in inside], dtype=float)


def percent_of_diagonal(score: Mapping[str, Any], cases: Mapping[str, Any], grid: Grid) -> Any:
    """A distance `{"mean", "ci95"}` in pixels as per cent of the pictures' diagonals.

    The mean is that over pictures; the interval is stretched with it.
    """
    if score.get("mean") is None or "hd95" not in cases:
        return None
    lengths = diagonals(cases["height"], cases["width"], grid)
    mean = 100.0 * float(np.nanmean(np.asarray(cases["hd95"], dtype=float) / lengths))
    factor = mean / score["mean"] if score["mean"] else 0.0
    ends = score.get("ci95")
    return {"mean": mean, "ci95": None if ends is None else [factor * end for end in ends]}
