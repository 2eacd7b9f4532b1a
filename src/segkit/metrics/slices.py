"""What a case is like (size, border, contrast, compactness, parts), and scores by kind of case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from segkit.metrics import skin_tone

FEATURES = ("share", "border", "contrast", "compactness", "parts")
RING = 0.03  # width of the surroundings that contrast looks at, as a share of the shorter side
LEAST = 3  # cases that a slice needs
SLICED = (*FEATURES, "ita")  # skin tone: where it was measured
QUARTERS = ("smallest quarter", "second", "third", "largest quarter")
THIRDS = ("low", "middle", "high")


def features(truth: np.ndarray, images: np.ndarray | None) -> dict[str, np.ndarray]:
    """Columns that describe the true foreground of each case (B, H, W)."""
    rows = [_describe(mask, None if images is None else images[i]) for i, mask in enumerate(truth)]
    return {name: np.array([row[name] for row in rows], dtype=float) for name in FEATURES}


def _describe(mask: np.ndarray, image: np.ndarray | None) -> dict[str, float]:
    solid = np.ascontiguousarray(mask, dtype=np.uint8)
    area = int(np.count_nonzero(solid))
    none = float("nan")
    row = {"share": area / mask.size, "border": float(_on_border(mask)), "parts": 0.0}
    if not area:
        return {**row, "contrast": none, "compactness": none}
    outlines = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    around = sum(cv2.arcLength(line, True) for line in outlines)
    row["parts"] = float(len(outlines))
    row["compactness"] = min(1.0, 4.0 * np.pi * area / around**2) if around else 1.0
    row["contrast"] = none if image is None else contrast(solid, image)
    return row


def _on_border(mask: np.ndarray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def contrast(solid: np.ndarray, image: np.ndarray) -> float:
    """Difference in mean brightness between the foreground and its surroundings, 0 to 1."""
    width = max(1, round(RING * min(solid.shape)))
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    ring = cv2.dilate(solid, square) - solid
    if not ring.any():
        return float("nan")
    inside = np.mean(cv2.mean(image, solid)[:3])
    return float(abs(inside - np.mean(cv2.mean(image, ring)[:3]))) / 255.0


def by_slice(
    columns: Mapping[str, np.ndarray], scores: Sequence[str] = ("dice", "iou", "hd95")
) -> list[dict[str, Any]]:
    """Mean scores per kind of case: size in quarters, other numeric features in thirds."""
    rows = []
    for feature in SLICED:
        if feature not in columns:
            continue
        for label, chosen in _cuts(feature, np.asarray(columns[feature], dtype=float)):
            many = int(np.count_nonzero(chosen))
            if many < LEAST:
                continue
            row: dict[str, Any] = {"feature": feature, "slice": label, "n": many}
            row.update({f"{name}_image": _mean(columns[name], chosen) for name in scores})
            rows.append(row)
    return rows


def _mean(values: np.ndarray, chosen: np.ndarray) -> float:
    return float(np.asarray(values, dtype=float)[chosen].mean())


def _cuts(feature: str, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if feature == "border":
        return [("inside", values == 0), ("touches the border", values == 1)]
    if feature == "parts":
        return [("none", values == 0), ("one", values == 1), ("several", values > 1)]
    if feature == "ita":
        tones = np.array([skin_tone.group_of(angle) for angle in values])
        return [(f"{name} skin", tones == name) for name, _ in skin_tone.GROUPS]
    return _at_quantiles(QUARTERS if feature == "share" else THIRDS, values)


def _at_quantiles(names: Sequence[str], values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """As many parts of one size as there are names; none where the values are too few."""
    there = values[np.isfinite(values)]
    if np.unique(there).size < len(names):
        return []
    inner = np.quantile(there, np.arange(1, len(names)) / len(names))
    place = np.where(np.isfinite(values), np.searchsorted(inner, values, side="left"), -1)
    bounds = [f"up to {inner[0]:.3g}", *(f"to {end:.3g}" for end in inner[1:])]
    bounds.append(f"above {inner[-1]:.3g}")
    return [(f"{name} ({bounds[i]})", place == i) for i, name in enumerate(names)]


def worst(
    columns: Mapping[str, np.ndarray], score: str = "dice", many: int = 20
) -> list[dict[str, Any]]:
    """The cases with the lowest score, worst first."""
    order = np.argsort(np.asarray(columns[score], dtype=float), kind="stable")[:many]
    names = ("id", "dice", "iou", "hd95", "share", "empty")
    kept = [name for name in names if name in columns]
    return [{name: _plain(columns[name][i]) for name in kept} for i in order]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
