"""What needs probabilities: reliability (ECE, Brier), soft scores, and scores at 256 thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from segkit.metrics.confusion import Counts

BINS = 10
LEVELS = 256


def histogram(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels per image, truth (0, 1) and probability level (B, 2, 256); level = floor(256 p)."""
    flat = probability.reshape(len(probability), -1)
    return _counted(np.minimum(flat * LEVELS, LEVELS - 1).astype(np.int32), truth)


def map_histogram(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The same of the 8-bit maps that PraNet stores: each picture stretched to 0 … 255, rounded.

    A map without variation becomes 0.
    """
    flat = probability.reshape(len(probability), -1).astype(np.float64)
    low, high = flat.min(1, keepdims=True), flat.max(1, keepdims=True)
    stretched = (flat - low) / (high - low + 1e-8)
    return _counted(np.floor(stretched * (LEVELS - 1) + 0.5).astype(np.int32), truth)


def _counted(level: np.ndarray, truth: np.ndarray) -> np.ndarray:
    images = len(level)
    code = level + LEVELS * (truth.reshape(images, -1) != 0)
    found = np.stack([np.bincount(row, minlength=2 * LEVELS) for row in code])
    return found.reshape(images, 2, LEVELS)


def counts_at_levels(found: np.ndarray) -> Counts:
    """Counts (B, 256) when every pixel of at least that level is foreground."""
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


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Per image: the Dice to expect if the probabilities could be taken at their word (B)."""
    p = probability.reshape(len(probability), -1)
    chosen = mask.reshape(len(mask), -1) != 0
    inside = np.where(chosen, p, 0.0).sum(1, dtype=np.float64)
    total = p.sum(1, dtype=np.float64) + chosen.sum(1)
    return np.where(total > 1e-6, 2.0 * inside / np.maximum(total, 1e-6), 1.0)


def reliability(
    probability: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None
) -> np.ndarray:
    """Per image and bin of the probability: pixels, sum of p, true pixels (B, 3, 10).

    With `inside` only those pixels count.
    """
    images = len(probability)
    p = probability.reshape(images, -1)
    y = truth.reshape(images, -1) != 0
    keep = None if inside is None else inside.reshape(images, -1)
    level = np.minimum(p * BINS, BINS - 1).astype(np.int32)
    found = np.empty((images, 3, BINS))
    for i in range(images):
        one, share, true = (a[i] if keep is None else a[i][keep[i]] for a in (level, p, y))
        found[i, 0] = np.bincount(one, minlength=BINS)
        found[i, 1] = np.bincount(one, weights=share, minlength=BINS)
        found[i, 2] = np.bincount(one[true], minlength=BINS)
    return found


def ece(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error of summed bins (..., 30): mean |probability - frequency|."""
    pixels, summed, true = (sums[..., i * BINS : (i + 1) * BINS] for i in range(3))
    return np.asarray(np.abs(summed - true).sum(-1) / np.maximum(pixels.sum(-1), 1.0))


def bins(found: np.ndarray) -> list[dict[str, Any]]:
    """The reliability bins of all cases (B, 3, 10) as plain data; an empty bin has no figures."""
    pixels, summed, true = found.sum(0)
    return [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "count": int(pixels[i]),
            "confidence": float(summed[i] / pixels[i]) if pixels[i] else None,
            "accuracy": float(true[i] / pixels[i]) if pixels[i] else None,
        }
        for i in range(BINS)
    ]
