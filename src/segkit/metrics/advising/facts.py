"""What the true masks of a set are like, as far as the choice of metrics depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from segkit.metrics.shape import skeleton

MOST = 200  # pictures that are looked at, evenly over the set


@dataclass(frozen=True)
class Facts:
    """One structure (a class of the set) over the pictures that were looked at."""

    structure: str
    pictures: int
    empty: float  # share of the pictures without it
    objects: float  # median number of separate parts, where it is
    rim: float  # Dice that an outline one pixel inside costs, median
    elongation: float  # length over width of a part, median: a disc has less than 1
    sizes: float  # largest tenth of the parts over the smallest tenth, by area
    height: int
    width: int


def measure(masks: np.ndarray, classes: Sequence[str]) -> list[Facts]:
    """The facts of every class but the background; masks are class indices (N, H, W)."""
    picked = np.unique(np.linspace(0, len(masks) - 1, min(MOST, len(masks))).astype(int))
    names = list(classes[1:]) or ["foreground"]
    return [_of_class(masks, picked, i, name) for i, name in enumerate(names, 1)]


def _of_class(masks: np.ndarray, picked: np.ndarray, label: int, name: str) -> Facts:
    found = [one for i in picked if (one := _of_mask(masks[i] == label)) is not None]
    rows = np.array([one[:3] for one in found]) if found else np.full((1, 3), np.nan)
    areas = np.concatenate([one[3] for one in found]) if found else np.array([np.nan])
    objects, rim, elongation = (float(value) for value in np.median(rows, axis=0))
    small, large = np.quantile(areas, [0.1, 0.9])
    empty = 1.0 - len(found) / len(picked)
    height, width = masks.shape[1:3]
    ratio = float(large / small)
    return Facts(name, len(picked), empty, objects, rim, elongation, ratio, height, width)


def _of_mask(mask: np.ndarray) -> tuple[float, float, float, np.ndarray] | None:
    """Parts, cost of a pixel of outline, elongation, areas of the parts; None of an empty mask."""
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    area = int(np.count_nonzero(solid))
    if not area:
        return None
    many, _, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    inner = int(np.count_nonzero(cv2.erode(solid, np.ones((3, 3), np.uint8))))
    rim = 1.0 - 2.0 * inner / (inner + area)
    length = int(np.count_nonzero(skeleton(mask)))
    return many - 1, rim, length**2 / (area * (many - 1)), stats[1:, cv2.CC_STAT_AREA]
