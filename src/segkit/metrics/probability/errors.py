"""Calibration errors of summed reliability bins (..., 30), beside the expected one (ECE)."""

from __future__ import annotations

import numpy as np

from segkit.metrics.calibration import BINS


def gaps(sums: np.ndarray) -> np.ndarray:
    """|mean probability - frequency| of each bin (..., 10); not a number where a bin is empty."""
    pixels, summed, true = (sums[..., i * BINS : (i + 1) * BINS] for i in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(summed - true) / np.where(pixels > 0, pixels, np.nan))


def ace(sums: np.ndarray) -> np.ndarray:
    """Average calibration error (Neumann et al., 2018): the mean gap over the bins in use.

    Each bin weighs the same, so the many easy pixels near 0 and 1 do not hide the doubtful ones.
    """
    found = gaps(sums)
    used = np.isfinite(found).sum(-1)
    return np.asarray(np.nansum(found, -1) / np.where(used > 0, used, np.nan))


def mce(sums: np.ndarray) -> np.ndarray:
    """Maximum calibration error: the largest gap of a bin in use."""
    found = gaps(sums)
    none = ~np.isfinite(found).any(-1)
    largest = np.where(np.isfinite(found), found, -np.inf).max(-1)
    return np.asarray(np.where(none, np.nan, largest))
