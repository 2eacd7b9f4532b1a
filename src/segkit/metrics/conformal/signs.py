"""What a prediction shows without the truth: the signs that doubt and shift are read from."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from segkit.metrics.calibration import expected_dice
from segkit.metrics.slices import contrast

SHIFT = (
    "area",
    "expected_dice",
    "border_entropy",
    "contrast",
    "red",
    "green",
    "blue",
    "brightness_spread",
    "sharpness",
)
DOUBT = {  # +1: more of it goes with a larger error; known beforehand, see doubt.py
    "expected_dice": -1,
    "border_entropy": +1,
    "log_area": -1,
    "margin_width": +1,
    "disagreement": +1,
}
RING = 3  # pixels to both sides of an outline that count as border


def read(
    probability: np.ndarray, mask: np.ndarray, image: np.ndarray, views: np.ndarray | None = None
) -> dict[str, float]:
    """The signs of one picture, inside its own part of the grid.

    `probability`: foreground (H, W); `mask`: foreground; `image` uint8 (H, W, 3); `views`: masks
    (V, H, W) of the same picture seen otherwise (mirrored, or by other folds).
    """
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    area = int(solid.sum())
    found = {**_of_picture(image), **_of_outline(solid, probability)}
    found["area"] = area / solid.size
    found["log_area"] = float(np.log((area + 1) / solid.size))
    found["expected_dice"] = float(expected_dice(probability[None], solid[None])[0])
    found["contrast"] = _contrast(solid, image)
    if views is not None:
        found["disagreement"] = disagreement(solid, views)
    return found


def table(rows: list[dict[str, float]], names: Iterable[str]) -> np.ndarray:
    """Signs of several pictures as numbers (n, k)."""
    columns = list(names)
    return np.array([[row[name] for name in columns] for row in rows], dtype=np.float64)


def disagreement(solid: np.ndarray, views: np.ndarray) -> float:
    """1 - mean Dice between the mask and the masks of the other views."""
    own = solid > 0
    both = (views & own).sum((1, 2), dtype=np.float64)
    total = views.sum((1, 2), dtype=np.float64) + own.sum()
    return float(1.0 - np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0).mean())


def _of_outline(solid: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Entropy near the outline, number of parts, and outline against area."""
    square = np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)
    ring = (cv2.dilate(solid, square) != cv2.erode(solid, square)) if solid.any() else None
    p = np.clip(probability if ring is None else probability[ring], 1e-6, 1 - 1e-6)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) if p.size else np.zeros(1)
    parts = cv2.connectedComponents(solid, connectivity=8)[0] - 1
    around = 0 if ring is None else int(ring.sum())
    return {
        "border_entropy": float(entropy.mean()),
        "parts": float(np.log1p(parts)),
        "margin_width": around / (around + float(solid.sum()) + 1.0),
    }


def _of_picture(image: np.ndarray) -> dict[str, float]:
    colours = image.reshape(-1, image.shape[-1]).mean(0) / 255.0
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    return {
        **dict(zip(("red", "green", "blue"), map(float, colours), strict=True)),
        "brightness_spread": float(grey.std()) / 255.0,
        "sharpness": float(np.log1p(edges.var())),
    }


def _contrast(solid: np.ndarray, image: np.ndarray) -> float:
    value = contrast(solid, image) if solid.any() else 0.0
    return value if np.isfinite(value) else 0.0
