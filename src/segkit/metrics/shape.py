"""Scores of borders, centre lines and parts: boundary IoU, clDice, Betti-0 error. One pair of
boolean masks (H, W) each.

Empty masks: both empty = 1, one empty = 0.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np

BOUNDARY_RATIO = 0.02  # width of the border band, as a share of the image diagonal


def boundary_iou(prediction: np.ndarray, truth: np.ndarray, ratio: float = BOUNDARY_RATIO) -> float:
    """IoU of the two border bands: the mask's pixels within `ratio` of the diagonal of its border.

    The band is the mask minus its erosion by a square (Cheng et al., CVPR 2021).
    """
    width = max(1, round(ratio * math.hypot(*prediction.shape)))
    one, other = _band(prediction, width), _band(truth, width)
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def _band(mask: np.ndarray, width: int, outside: int = 0) -> np.ndarray:
    """The mask less its erosion; `outside` is what the world beyond the picture counts as."""
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * width + 1, 2 * width + 1))
    inner = cv2.erode(solid, square, borderType=cv2.BORDER_CONSTANT, borderValue=outside)
    return (solid != inner).reshape(mask.shape)


def around_outline(mask: np.ndarray, ratio: float = BOUNDARY_RATIO) -> np.ndarray:
    """The pixels on both sides of a mask's outline, within `ratio` of the image diagonal."""
    width = max(1, round(ratio * math.hypot(*mask.shape)))
    return _band(mask, width) | _band(~mask, width, outside=1)


def betti_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Betti-0 error: by how much the numbers of connected parts (8 neighbours) differ."""
    return float(abs(_parts(prediction) - _parts(truth)))


def _parts(mask: np.ndarray) -> int:
    return cv2.connectedComponents(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=8)[0]


def cl_dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Centre-line Dice of tubes (Shit et al., CVPR 2021): each against the other's skeleton."""
    if not prediction.any() or not truth.any():
        return float(not prediction.any() and not truth.any())
    precision = _covered(skeleton(prediction), truth)
    sensitivity = _covered(skeleton(truth), prediction)
    both = precision + sensitivity
    return 2.0 * precision * sensitivity / both if both else 0.0


def _covered(line: np.ndarray, mask: np.ndarray) -> float:
    return np.count_nonzero(line & mask) / np.count_nonzero(line)


def skeleton(mask: np.ndarray) -> np.ndarray:
    """The centre lines of a mask by Zhang and Suen's thinning (1984)."""
    solid = np.pad(np.ascontiguousarray(mask, dtype=np.uint8), 1)
    tables = _tables()
    while True:
        before = np.count_nonzero(solid)
        for table in tables:
            solid[table[_neighbours(solid)] & (solid > 0)] = 0
        if np.count_nonzero(solid) == before:
            return solid[1:-1, 1:-1].astype(bool)


# bit of each neighbour, clockwise from north: P2 ... P9 of the paper
_BITS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], dtype=np.float32)


def _neighbours(solid: np.ndarray) -> np.ndarray:
    return cv2.filter2D(solid, cv2.CV_8U, _BITS, borderType=cv2.BORDER_CONSTANT)


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Which neighbourhoods lose their centre, in the first and in the second half step."""
    first, second = np.zeros(256, bool), np.zeros(256, bool)
    for code in range(256):
        ring = [code >> bit & 1 for bit in range(8)]  # N NE E SE S SW W NW
        north, east, south, west = ring[0], ring[2], ring[4], ring[6]
        rises = sum(ring[i] < ring[(i + 1) % 8] for i in range(8))
        loose = 2 <= sum(ring) <= 6 and rises == 1
        first[code] = loose and not (north and east and south) and not (east and south and west)
        second[code] = loose and not (north and east and west) and not (north and south and west)
    return first, second
