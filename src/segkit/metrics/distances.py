"""What contour distances say: HD, HD95, ASSD, NSD, and the rule for empty masks."""

from __future__ import annotations

import math

import numpy as np

TOLERANCE = 2.0  # NSD: pixels (or units of spacing) within which a contour counts as right


def percentile(values: np.ndarray, q: float) -> float:
    """numpy's linear percentile, by partition, to the last bit."""
    position = (values.size - 1) * (q / 100.0)
    low = math.floor(position)
    high = min(low + 1, values.size - 1)
    sorted_part = np.partition(values, (low, high))
    a, b = float(sorted_part[low]), float(sorted_part[high])
    part = position - low
    return b - (b - a) * (1.0 - part) if part >= 0.5 else a + (b - a) * part


def summarise(
    forth: np.ndarray, back: np.ndarray, tolerance: float = TOLERANCE
) -> dict[str, float]:
    """The four figures from the distances of the two directions."""
    together = np.concatenate((forth, back))
    return {
        "hd": float(together.max()),
        "hd95": percentile(together, 95.0),
        "assd": float(together.mean()),
        "nsd": int(np.count_nonzero(together <= tolerance)) / together.size,
    }


def empty_state(prediction: bool, truth: bool) -> str:
    """Which mask is empty: `both`, `pred_only` or `truth_only`; an empty text if neither."""
    if prediction and truth:
        return ""
    if not prediction and not truth:
        return "both"
    return "truth_only" if prediction else "pred_only"


def empty_distances(
    state: str, shape: tuple[int, ...], spacing: tuple[float, float] | None = None
) -> dict[str, float]:
    """The rule for pairs with an empty mask."""
    if state == "both":
        return {"hd": 0.0, "hd95": 0.0, "assd": 0.0, "nsd": 1.0}
    high, wide = spacing or (1.0, 1.0)
    diagonal = math.hypot(shape[0] * high, shape[1] * wide)
    return {"hd": diagonal, "hd95": diagonal, "assd": diagonal, "nsd": 0.0}
