"""How well a probability map ranks pixels, at every threshold at once: AUC-ROC and AUC-PR.

Vessels are scored inside the round field of view of the camera: its black surroundings are
background that nobody can get wrong.
"""

from __future__ import annotations

import cv2
import numpy as np

DARK = 0.15  # of the bright end of the picture: darker is outside the field of view
LEAST, MOST = 0.2, 0.98  # share of the picture that a field of view takes


def ranking_scores(
    probability: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None
) -> dict[str, float]:
    """`auc_roc` and `auc_pr` (average precision); not a number where only one class is there."""
    chosen = slice(None) if inside is None else inside.ravel()
    p, y = probability.ravel()[chosen], truth.ravel()[chosen] != 0
    true = int(np.count_nonzero(y))
    if not true or true == y.size:
        return {"auc_pr": float("nan"), "auc_roc": float("nan")}
    hits, alarms = _at_thresholds(p, y)
    recall, fallout = hits / true, alarms / (y.size - true)
    precision = hits / (hits + alarms)
    width, height = np.diff(fallout, prepend=0.0), recall + np.concatenate([[0.0], recall[:-1]])
    return {
        "auc_pr": float((np.diff(recall, prepend=0.0) * precision).sum()),
        "auc_roc": float((width * height).sum() / 2),
    }


def _at_thresholds(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives at each distinct probability, highest first; ties go together."""
    order = np.argsort(-p, kind="stable")
    sorted_p, hits = p[order], np.cumsum(y[order])
    last = np.append(np.flatnonzero(np.diff(sorted_p)), p.size - 1)
    return hits[last], last + 1 - hits[last]


def field_of_view(image: np.ndarray) -> np.ndarray:
    """The lit part of a fundus picture (H, W, 3), dents closed; all of it if unclear."""
    light = image.max(2)
    seen = (light > DARK * np.percentile(light, 99)).astype(np.uint8)
    many, parts, facts, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    whole = np.ones(light.shape, bool)
    if many < 2:
        return whole
    largest = (parts == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    outlines = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    hull = cv2.convexHull(np.concatenate(outlines))
    inside = cv2.fillConvexPoly(np.zeros_like(largest), hull, 1) > 0
    return inside if LEAST < inside.mean() < MOST else whole
