"""Distances between the contours of two masks, exactly, without a compiler.

A contour is the mask minus its erosion by the 3x3 cross; outside the image is background. Squared
distances of pixels are integers, so the results carry no error beyond one square root.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

TREE_SHARE = 1 / 14  # contour pixels per pixel up to which the tree is the faster form
EXACT_SIDE = 1400  # float32 distances of OpenCV square back to exact integers up to this side
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def contour(mask: np.ndarray) -> np.ndarray:
    """The contour pixels of a mask, as booleans."""
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    inner = cv2.erode(solid, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return (solid != inner).reshape(mask.shape)


def box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest window that holds all foreground."""
    left, top, wide, high = cv2.boundingRect(np.ascontiguousarray(mask, dtype=np.uint8))
    return slice(top, top + high), slice(left, left + wide)


def directed(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each contour pixel, in reading order, the distance to the other contour: both ways."""
    window = box(prediction | truth)
    one, other = contour(prediction[window]), contour(truth[window])
    if spacing is not None:
        return _by_transform(one, other, spacing)
    if np.count_nonzero(one) + np.count_nonzero(other) <= one.size * TREE_SHARE:
        return _by_tree(one, other)
    if max(one.shape) <= EXACT_SIDE:
        return _by_opencv(one, other)
    return _by_transform(one, other, None)


def _by_tree(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = _points(one), _points(other)
    return _nearest(a, b), _nearest(b, a)


def _points(edge: np.ndarray) -> np.ndarray:
    return np.stack(np.divmod(np.flatnonzero(edge), edge.shape[1]), 1).astype(np.float64)


def _nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    tree = cKDTree(targets, leafsize=32, balanced_tree=False, compact_nodes=False)
    near, _ = tree.query(points)
    return np.sqrt(np.rint(near * near))


def _by_opencv(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _field(other)[one], _field(one)[other]


class _Field:
    """Distance to a contour, read off at chosen pixels."""

    def __init__(self, edge: np.ndarray):
        away = (~edge).astype(np.uint8)
        self.distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

    def __getitem__(self, where: np.ndarray) -> np.ndarray:
        near = self.distance[where].astype(np.float64)
        return np.sqrt(np.rint(near * near))


def _field(edge: np.ndarray) -> _Field:
    return _Field(edge)


def _by_transform(
    one: np.ndarray, other: np.ndarray, spacing: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    to_other = distance_transform_edt(~other, sampling=spacing)
    to_one = distance_transform_edt(~one, sampling=spacing)
    return to_other[one], to_one[other]
