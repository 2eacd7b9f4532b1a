"""Scores of objects: connected parts of the prediction matched to those of the truth (nuclei).

A match is a pair of parts with IoU above the threshold; from 0.5 on, a part has at most one.
Touching objects are one part in a semantic mask; the truth's own instance map can be given
instead.
"""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # Data Science Bowl 2018


def parts(mask: np.ndarray) -> np.ndarray:
    """Connected parts (8 neighbours) as labels 1, 2, ...; 0 is background."""
    return cv2.connectedComponents(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=8)[1]


def object_scores(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`object_f1` at IoU 0.5 and `object_map`: the mean over thresholds of TP / (TP + FP + FN).

    Boolean masks are cut into connected parts, integer maps are taken as instances.
    """
    overlap = overlap_matrix(labels(prediction), labels(truth))
    found, true = overlap.shape
    if not found and not true:
        return {"object_f1": 1.0, "object_map": 1.0}
    hits = [matches(overlap, threshold) for threshold in THRESHOLDS]
    precision = [hit / (found + true - hit) for hit in hits]
    return {"object_f1": 2 * hits[0] / (found + true), "object_map": float(np.mean(precision))}


def matches(overlap: np.ndarray, threshold: float) -> int:
    """How many pairs of parts have an IoU above the threshold (at least 0.5)."""
    return int(np.count_nonzero(overlap > threshold))


def overlap_matrix(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of every predicted with every true object (found, true)."""
    shared = shared_pixels(prediction, truth)
    union = shared.sum(1)[:, None] + shared.sum(0)[None] - shared
    return shared[1:, 1:] / np.maximum(union[1:, 1:], 1)


def shared_pixels(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels of every pair of labels (found + 1, true + 1); row and column 0 are background."""
    rows, columns = int(prediction.max(initial=0)) + 1, int(truth.max(initial=0)) + 1
    code = prediction.astype(np.int64).ravel() * columns + truth.ravel()
    return np.bincount(code, minlength=rows * columns).reshape(rows, columns)


def labels(mask: np.ndarray) -> np.ndarray:
    """Labels without gaps: the parts of a boolean mask, the instances that an integer map shows.

    An instance that a smaller grid has lost is no object there.
    """
    if mask.dtype == bool:
        return parts(mask)
    present = np.zeros(int(mask.max(initial=0)) + 1, bool)
    present[mask] = True
    present[0] = False
    return np.where(mask > 0, np.cumsum(present)[mask], 0)
