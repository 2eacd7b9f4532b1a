"""HD95, ASSD and NSD of a pair of masks as three tools define them.

MedPy and MONAI take the same outlines (mask minus its erosion by the cross); MedPy puts the
distances of both directions together, MONAI takes the larger of the two directed percentiles.
DeepMind's surface-distance takes the corners between pixels as the outline and weighs each by its
length. None of the tools has a figure where a mask is empty.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import distance_transform_edt

from segkit.metrics import contour
from segkit.metrics.definitions import FIGURES, TOOLS, column
from segkit.metrics.distances import TOLERANCE, percentile, summarise

_DIAGONAL = math.sqrt(0.5)
# length of the outline at a corner by its four pixels (8 4 / 2 1): one pixel cuts a corner off,
# two side by side make a straight line, two across the corner make two diagonals
_LENGTHS = np.array([0, 1, 1, 2, 1, 2, 3, 1, 1, 3, 2, 1, 2, 1, 1, 0])
LENGTHS = np.array([0.0, _DIAGONAL, 1.0, 2 * _DIAGONAL])[_LENGTHS]


def tool_columns(
    prediction: np.ndarray, truth: np.ndarray, tolerance: float = TOLERANCE
) -> dict[str, np.ndarray]:
    """The figures of every tool for pairs of boolean masks (B, H, W)."""
    rows = [_one(p, t, tolerance) for p, t in zip(prediction, truth, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _one(prediction: np.ndarray, truth: np.ndarray, tolerance: float) -> dict[str, float]:
    if not prediction.any() or not truth.any():
        names = [column(tool, figure) for tool in TOOLS for figure in FIGURES[tool]]
        return dict.fromkeys(names, float("nan"))
    forth, back = contour.directed(prediction, truth)
    together = summarise(forth, back, tolerance)
    found = {
        "medpy": together,
        "monai": {**together, "hd95": max(percentile(forth, 95.0), percentile(back, 95.0))},
        "surface-distance": by_elements(prediction, truth, tolerance),
    }
    return {column(t, figure): found[t][figure] for t in TOOLS for figure in FIGURES[t]}


def by_elements(prediction: np.ndarray, truth: np.ndarray, tolerance: float) -> dict[str, float]:
    """DeepMind's definitions (Nikolov et al., 2021), one pixel apart; ASSD is the mean of both."""
    codes = _codes(prediction), _codes(truth)
    edges = tuple((code > 0) & (code < 15) for code in codes)
    ways = []
    for i in (0, 1):
        away = distance_transform_edt(~edges[1 - i])[edges[i]]
        order = np.argsort(away, kind="stable")
        ways.append((away[order], LENGTHS[codes[i]][edges[i]][order]))
    within = sum(float(lengths[away <= tolerance].sum()) for away, lengths in ways)
    return {
        "hd95": max(_percentile(away, lengths, 0.95) for away, lengths in ways),
        "assd": float(np.mean([(away * lengths).sum() / lengths.sum() for away, lengths in ways])),
        "nsd": within / sum(float(lengths.sum()) for _, lengths in ways),
    }


def _codes(mask: np.ndarray) -> np.ndarray:
    """The four pixels around every corner of the grid as bits, one corner more than pixels."""
    m = np.pad(mask.astype(np.int64), 1)
    return np.asarray(8 * m[:-1, :-1] + 4 * m[:-1, 1:] + 2 * m[1:, :-1] + m[1:, 1:])


def _percentile(away: np.ndarray, lengths: np.ndarray, share: float) -> float:
    grown = np.cumsum(lengths) / lengths.sum()
    return float(away[min(int(np.searchsorted(grown, share)), away.size - 1)])
