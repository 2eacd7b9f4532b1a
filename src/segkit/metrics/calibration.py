"""What needs probabilities: reliability (ECE, Brier), soft scores, and scores at 256 thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segkit.metrics.confusion import Counts

BINS = 10
LEVELS = 256


def histogram(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels per image, truth (0, 1) and probability level (B, 2, 256); level = floor(256 p)."""
    images = len(probability)
    level = np.minimum(probability.reshape(images, -1) * LEVELS, LEVELS - 1).astype(np.int32)
    code = level + LEVELS * (truth.reshape(images, -1) != 0)
    found = np.stack([np.bincount(row, minlength=2 * LEVELS) for row in code])
    return found.reshape(images, 2, LEVELS)


def counts_at_levels(found: np.ndarray) -> Counts:
    """Counts (B, 256) when every p >= level / 256 is foreground."""
    above = found[:, :, ::-1].cumsum(2)[:, :, ::-1]
    tp, fp = above[:, 1], above[:, 0]
    true, false = found[:, 1].sum(1)[:, None], found[:, 0].sum(1)[:, None]
    return Counts(tp, fp, true - tp, false - fp)


def soft_columns(probability: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Per image: soft Dice (unsmoothed), mean absolute and squared error of the probability."""
    p = probability.reshape(len(probability), -1)
    y = (truth.reshape(len(truth), -1) != 0).astype(np.float32)
    error = p - y
    shared = np.einsum("ij,ij->i", p, y, dtype=np.float64)
    total = p.sum(1, dtype=np.float64) + y.sum(1, dtype=np.float64)
    dice = np.where(total > 0, 2 * shared / np.maximum(total, 1e-300), 1.0)
    squared = np.einsum("ij,ij->i", error, error, dtype=np.float64) / p.shape[1]
    absolute = np.abs(error).sum(1, dtype=np.float64) / p.shape[1]
    return {"dice_soft": dice, "mae_soft": absolute, "brier": squared}


@dataclass
class Reliability:
    """Pixels, mean probability and share of true pixels per bin of the foreground probability."""

    pixels: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    summed: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    true: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """Count a batch of pixels."""
        p = probability.ravel()
        level = np.minimum(p * BINS, BINS - 1).astype(np.int32)
        self.pixels += np.bincount(level, minlength=BINS)
        self.summed += np.bincount(level, weights=p, minlength=BINS)
        self.true += np.bincount(level[truth.ravel() != 0], minlength=BINS)

    def ece(self) -> float:
        """Expected calibration error: mean gap of probability and frequency, weighted by pixels."""
        return float(np.abs(self.summed - self.true).sum() / max(self.pixels.sum(), 1.0))

    def bins(self) -> list[dict[str, Any]]:
        """The bins as plain data; an empty bin has no confidence and no accuracy."""
        return [self._bin(i) for i in range(BINS)]

    def _bin(self, i: int) -> dict[str, Any]:
        many = self.pixels[i]
        return {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "count": int(many),
            "confidence": float(self.summed[i] / many) if many else None,
            "accuracy": float(self.true[i] / many) if many else None,
        }
