"""What is gained where the doubtful pictures go to a person: risk-coverage curve, AURC, deferral.

Risk is 1 - score, averaged over the pictures kept; coverage is their share. Geifman and El-Yaniv,
NeurIPS 2017, arXiv 1705.08500; the area as in arXiv 1805.08206.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def order(estimates: np.ndarray) -> np.ndarray:
    """Places from the surest to the most doubtful picture."""
    return np.argsort(-np.asarray(estimates, dtype=float), kind="stable")


def risk_coverage(estimates: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (1/n to 1) and the mean of 1 - score over the pictures kept at each."""
    kept = np.arange(1, len(scores) + 1)
    return kept / len(scores), np.cumsum(1.0 - scores[order(estimates)]) / kept


def aurc(estimates: np.ndarray, scores: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages."""
    return float(risk_coverage(estimates, scores)[1].mean())


def set_aside(estimates: np.ndarray, share: float) -> np.ndarray:
    """Which pictures a share of deferral sets aside: the most doubtful, rounded up."""
    many = math.ceil(share * len(estimates) - 1e-9)
    chosen = np.zeros(len(estimates), dtype=bool)
    chosen[order(estimates)[len(estimates) - many :]] = True
    return chosen


def gain(
    estimates: np.ndarray,
    scores: np.ndarray,
    share: float,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
) -> dict[str, Any]:
    """Mean score before and after deferral, and the gain with its interval.

    The interval is a bootstrap over pictures (or groups) with the set aside held fixed.
    """
    from segkit.metrics.intervals import Figure, Resampler  # scipy, which predict does not need

    kept = (~set_aside(estimates, share)).astype(float)
    columns = np.stack([scores, np.ones(len(scores)), scores * kept, kept], 1)
    figure = Figure(columns, _gain)
    low, high = Resampler(len(scores), groups, resamples).interval(figure)
    return {
        "share": share,
        "set_aside": int((kept == 0).sum()),
        "before": float(scores.mean()),
        "after": float(scores[kept == 1].mean()),
        "gain": float(_gain(columns.sum(0))),
        "ci95": [low, high],
    }


def curve_document(estimates: np.ndarray, scores: np.ndarray, points: int = 50) -> dict[str, Any]:
    """Curve, area, and the areas of a perfect and of a random order, for JSON."""
    coverage, risk = risk_coverage(estimates, scores)
    at = np.unique(np.linspace(0, len(scores) - 1, min(points, len(scores))).round().astype(int))
    return {
        "aurc": aurc(estimates, scores),
        "aurc_best": aurc(scores, scores),
        "aurc_random": float((1.0 - scores).mean()),
        "points": [[round(float(coverage[i]), 4), round(float(risk[i]), 5)] for i in at],
    }


def _gain(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 2] / sums[..., 3] - sums[..., 0] / sums[..., 1])
