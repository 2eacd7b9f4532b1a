"""Boundary IoU and clDice against slow independent forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segkit.metrics import shape

Pairs = list[tuple[np.ndarray, np.ndarray]]


def test_boundary_iou_against_repeated_erosion(pairs: Pairs) -> None:
    square = np.ones((3, 3), bool)
    for one, other in pairs:
        width = max(1, round(0.02 * np.hypot(*one.shape)))
        bands = [
            mask & ~ndimage.binary_erosion(mask, square, iterations=width) for mask in (one, other)
        ]
        union = (bands[0] | bands[1]).sum()
        expected = (bands[0] & bands[1]).sum() / union if union else 1.0
        assert shape.boundary_iou(one, other) == pytest.approx(expected, abs=1e-12)


def slow_thinning(mask: np.ndarray) -> np.ndarray:
    """Zhang and Suen, pixel by pixel, from their paper."""
    image = np.pad(mask.astype(int), 1)
    while True:
        changed = False
        for step in (0, 1):
            marked = []
            for r, c in np.argwhere(image):
                ring = [
                    image[r - 1, c], image[r - 1, c + 1], image[r, c + 1], image[r + 1, c + 1],
                    image[r + 1, c], image[r + 1, c - 1], image[r, c - 1], image[r - 1, c - 1],
                ]  # fmt: skip
                north, east, south, west = ring[0], ring[2], ring[4], ring[6]
                rises = sum(a == 0 and b == 1 for a, b in zip(ring, [*ring[1:], ring[0]]))  # noqa: B905
                first = north * east * south == 0 and east * south * west == 0
                second = north * east * west == 0 and north * south * west == 0
                if 2 <= sum(ring) <= 6 and rises == 1 and (second if step else first):
                    marked.append((r, c))
            for r, c in marked:
                image[r, c] = 0
            changed |= bool(marked)
        if not changed:
            return image[1:-1, 1:-1].astype(bool)


def test_skeleton_against_a_pixelwise_form(solid_pairs: Pairs) -> None:
    small = [one for one, _ in solid_pairs if one.size < 1500][:25]
    assert len(small) == 25
    for mask in small:
        np.testing.assert_array_equal(shape.skeleton(mask), slow_thinning(mask))


def test_cl_dice_by_hand() -> None:
    truth = np.zeros((9, 20), bool)
    truth[4, 2:18] = True  # a line of 16 pixels is its own skeleton
    half = truth.copy()
    half[:, 10:] = False
    assert shape.cl_dice(truth, truth) == 1.0
    assert shape.cl_dice(half, truth) == pytest.approx(2 * 1.0 * 0.5 / 1.5)
    thick = np.zeros_like(truth)
    thick[3:6, 1:19] = True  # its skeleton lies on the line
    assert shape.cl_dice(thick, truth) == 1.0
    empty = np.zeros_like(truth)
    assert [shape.cl_dice(empty, empty), shape.cl_dice(empty, truth)] == [1.0, 0.0]
