"""Surface distances of two masks: HD, HD95, ASSD, NSD. Exact: medpy's values on non-empty pairs.

Empty masks: both empty = distance 0 (NSD 1); one empty = the image diagonal (NSD 0). Distances are
in pixels, or in the unit of `spacing` (row, column). HD95 is the 95th percentile of both
directions' distances together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from segkit.errors import UsageError
from segkit.metrics import contour, kernel
from segkit.metrics.distances import TOLERANCE, empty_distances, empty_state, summarise
from segkit.metrics.table import DISTANCES

Spacing = float | Sequence[float] | None
NSD_CURVE = {f"nsd_at_{most}": float(most) for most in (1, 2, 3, 5)}
Engine = Literal["auto", "native", "python", "medpy", "device"]


def hd95(
    prediction: np.ndarray, truth: np.ndarray, spacing: Spacing = None, *, engine: Engine = "auto"
) -> float:
    """95th percentile of the contour distances of both directions."""
    return all_distances(prediction, truth, spacing, engine=engine)["hd95"]


def hd(
    prediction: np.ndarray, truth: np.ndarray, spacing: Spacing = None, *, engine: Engine = "auto"
) -> float:
    """Hausdorff distance: the largest contour distance of both directions."""
    return all_distances(prediction, truth, spacing, engine=engine)["hd"]


def assd(
    prediction: np.ndarray, truth: np.ndarray, spacing: Spacing = None, *, engine: Engine = "auto"
) -> float:
    """Average symmetric surface distance: the mean over the contour pixels of both masks."""
    return all_distances(prediction, truth, spacing, engine=engine)["assd"]


def nsd(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Spacing = None,
    tolerance: float = TOLERANCE,
    *,
    engine: Engine = "auto",
) -> float:
    """Normalised surface distance: the share of both contours within `tolerance` of the other."""
    return all_distances(prediction, truth, spacing, tolerance=tolerance, engine=engine)["nsd"]


def all_distances(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Spacing = None,
    *,
    tolerance: float = TOLERANCE,
    engine: Engine = "auto",
) -> dict[str, float]:
    """HD, HD95, ASSD and NSD in one pass, by name."""
    one, other = _mask(prediction), _mask(truth)
    if one.shape != other.shape:
        raise UsageError(
            "prediction and truth differ in shape", f"{one.shape} against {other.shape}"
        )
    step = _spacing(spacing)
    figures = batch_distances(one[None], other[None], step, tolerance=tolerance, engine=engine)
    return {name: float(figures[name][0]) for name in DISTANCES}


def batch_distances(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float] | None = None,
    *,
    tolerance: float = TOLERANCE,
    engine: Engine = "auto",
) -> dict[str, np.ndarray]:
    """The four figures of each pair of boolean masks (B, H, W), by name."""
    if engine == "device" and spacing is None:
        from segkit.metrics import surface_device

        return surface_device.on_best_device(prediction, truth, tolerance)
    table = _native(prediction, truth, spacing, tolerance, engine)
    if table is None:
        pairs = zip(prediction, truth, strict=True)
        rows = [_one_pair(one, other, spacing, tolerance, engine) for one, other in pairs]
        return {name: np.array([row[name] for row in rows], dtype=float) for name in DISTANCES}
    figures = {name: table[:, kernel.SURFACE_COLUMNS.index(name)] for name in DISTANCES}
    predicted, true = (table[:, kernel.SURFACE_COLUMNS.index(f"area_{side}")] > 0 for side in "pt")
    for i in np.flatnonzero(~(predicted & true)):
        state = empty_state(bool(predicted[i]), bool(true[i]))
        for name, value in empty_distances(state, prediction.shape[1:], spacing).items():
            figures[name][i] = value
    return figures


def nsd_columns(
    prediction: np.ndarray,
    truth: np.ndarray,
    steps: Sequence[tuple[float, float]] | None = None,
    engine: Engine = "auto",
) -> dict[str, np.ndarray]:
    """`nsd_at_1` … `nsd_at_5`: NSD at 1, 2, 3 and 5 pixels, or millimetres where the distances
    between the rows and columns of each picture are given.
    """
    if steps is None:
        return {
            name: batch_distances(prediction, truth, tolerance=tolerance, engine=engine)["nsd"]
            for name, tolerance in NSD_CURVE.items()
        }
    rows = [_curve(p, t, step) for p, t, step in zip(prediction, truth, steps, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in NSD_CURVE}


def _curve(
    prediction: np.ndarray, truth: np.ndarray, step: tuple[float, float]
) -> dict[str, float]:
    state = empty_state(bool(prediction.any()), bool(truth.any()))
    if state:
        return dict.fromkeys(NSD_CURVE, float(state == "both"))
    together = np.concatenate(contour.directed(prediction, truth, step))
    return {name: float((together <= most).mean()) for name, most in NSD_CURVE.items()}


def _native(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float] | None,
    tolerance: float,
    engine: Engine,
) -> np.ndarray | None:
    if engine not in ("auto", "native") or (spacing is not None and engine == "auto"):
        return None
    found = None if spacing is not None else kernel.measure(prediction, truth, tolerance)
    if found is None and engine == "native":
        why = "it measures in pixels only" if spacing is not None else kernel.reason()
        raise UsageError("the native surface kernel cannot be used", why)
    return found


def _one_pair(
    one: np.ndarray,
    other: np.ndarray,
    spacing: tuple[float, float] | None,
    tolerance: float,
    engine: Engine,
) -> dict[str, float]:
    state = empty_state(bool(one.any()), bool(other.any()))
    if state:
        return empty_distances(state, one.shape, spacing)
    if engine == "medpy":
        return _medpy_distances(one, other, spacing, tolerance)
    return summarise(*contour.directed(one, other, spacing), tolerance=tolerance)


def _medpy_distances(
    one: np.ndarray, other: np.ndarray, spacing: tuple[float, float] | None, tolerance: float
) -> dict[str, float]:
    from medpy.metric import binary

    near = summarise(*contour.directed(one, other, spacing), tolerance=tolerance)["nsd"]
    return {
        "hd": float(binary.hd(one, other, voxelspacing=spacing)),
        "hd95": float(binary.hd95(one, other, voxelspacing=spacing)),
        "assd": float(binary.assd(one, other, voxelspacing=spacing)),
        "nsd": near,
    }


def _mask(mask: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise UsageError("a surface distance takes one mask (H, W)", f"got shape {mask.shape}")
    return np.ascontiguousarray(mask if mask.dtype == bool else mask != 0)


def _spacing(spacing: Spacing) -> tuple[float, float] | None:
    if spacing is None:
        return None
    pair = (spacing, spacing) if isinstance(spacing, int | float) else tuple(spacing)
    if len(pair) != 2 or min(pair) <= 0:
        raise UsageError("spacing is one positive number or two (row, column)", f"got {spacing}")
    step = (float(pair[0]), float(pair[1]))
    return None if step == (1.0, 1.0) else step
