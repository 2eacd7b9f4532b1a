"""All scores of a batch of cases, as columns: one row per case of `cases.csv`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.api import resolve
from segkit.metrics import (
    calibration,
    distances,
    instances,
    objects,
    shape,
    skin_tone,
    slices,
    surface,
)
from segkit.metrics.confusion import Counts, class_counts, counts
from segkit.metrics.definitions.tools import tool_columns
from segkit.metrics.probability.ranking import field_of_view, ranking_scores
from segkit.metrics.surface import Engine, nsd_columns
from segkit.metrics.table import DISTANCES, table
from segkit.metrics.table import OVERLAP as SCORES

# costly scores that only some kinds of pictures need
EXTRAS = ("cldice", "objects", "components", "betti", "ranking", "skin_tone")
LOGIT_HALF = 1.0 / (1.0 + np.exp(-0.5))  # a threshold of 0.5 on the logit instead of p
EMPTY_STATES = ("both", "pred_only", "truth_only")


@dataclass(frozen=True)
class Wanted:
    """Which scores are worked out, and how."""

    tolerance: float = distances.TOLERANCE
    engine: Engine = "auto"
    extras: tuple[str, ...] = ()
    classes: tuple[str, ...] = ("background", "foreground")
    evidence: bool = False  # also what the published conventions need
    tools: bool = False  # also the distances as other tools define them
    spacing: tuple[float, float] | None = None  # millimetres between original rows and columns


def measure(
    prediction: np.ndarray,
    truth: np.ndarray,
    probability: np.ndarray | None = None,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    wanted: Wanted = Wanted(),
    steps: Sequence[tuple[float, float]] | None = None,
) -> dict[str, np.ndarray]:
    """Columns of a batch: class-index masks (B, H, W), foreground probability, pictures.

    The scores are of foreground against background; with more classes, each class follows under
    its own name (`dice_<class>`). `steps`: millimetres between the rows and columns of each picture
    as it lies on this grid, for the NSD curve.
    """
    p, t = prediction != 0, truth != 0
    found = counts(p, t)
    columns: dict[str, np.ndarray] = {**found.scores(), **_count_columns(found)}
    columns.update(surface.batch_distances(p, t, tolerance=wanted.tolerance, engine=wanted.engine))
    columns.update(nsd_columns(p, t, steps, wanted.engine))
    columns["boundary_iou"] = _each(shape.boundary_iou, p, t)
    columns["empty"] = empty_states(found)
    columns.update(slices.features(t, images))
    if probability is not None:
        columns.update(calibration.soft_columns(probability, truth))
        columns["expected_dice"] = calibration.expected_dice(probability, p)
        columns["reliability"] = calibration.reliability(probability, truth)
        rims = np.stack([shape.around_outline(mask) for mask in t])
        columns["reliability_rim"] = calibration.reliability(probability, truth, rims)
        columns["confidence"] = 0.5 + np.abs(probability - 0.5).mean((1, 2), dtype=np.float64)
    if wanted.evidence and probability is not None:
        columns.update(_evidence(probability, t))
    if wanted.tools:
        columns.update(tool_columns(p, t, wanted.tolerance))
    columns.update(_extra_columns(p, t, labels, wanted.extras))
    columns.update(_picture_columns(t, probability, images, wanted.extras))
    columns.update(_others(p, t))
    if len(wanted.classes) > 2:
        columns.update(_class_columns(prediction, truth, wanted.classes))
    return columns


def empty_states(found: Counts) -> np.ndarray:
    """Which mask of each case is empty: `both`, `pred_only`, `truth_only` or nothing."""
    predicted, true = found.area_prediction() > 0, found.area_truth() > 0
    pairs = zip(predicted, true, strict=True)
    return np.array([distances.empty_state(bool(p), bool(t)) for p, t in pairs], dtype=object)


def join(parts: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of several batches as one table."""
    parts = list(parts)
    names = parts[0] if parts else {}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def class_names(classes: Sequence[str]) -> list[str]:
    """Class names as they stand in column names."""
    return [name.replace(" ", "-").replace("_", "-") for name in classes]


def _count_columns(found: Counts) -> dict[str, np.ndarray]:
    return {
        "tp": found.tp,
        "fp": found.fp,
        "fn": found.fn,
        "tn": found.tn,
        "area_truth": found.area_truth(),
        "area_prediction": found.area_prediction(),
    }


def _each(score: object, p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.array([score(one, other) for one, other in zip(p, t, strict=True)])  # type: ignore[operator]


def _evidence(probability: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    shifted = counts(probability > LOGIT_HALF, truth)
    return {
        "histogram": calibration.map_histogram(probability, truth),
        "pre_logit": shifted.precision(),
        "sen_logit": shifted.sensitivity(),
    }


def _extra_columns(
    p: np.ndarray, t: np.ndarray, truth: np.ndarray | None, extras: Sequence[str]
) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    true = t if truth is None else truth
    if "cldice" in extras:
        columns["cldice"] = _each(shape.cl_dice, p, t)
    if "betti" in extras:
        columns["betti_error"] = _each(shape.betti_error, p, t)
    if "components" in extras:
        columns["component_dice"] = _each(instances.component_dice, p, true)
    if "objects" in extras:
        columns.update(_rows(objects.object_scores, p, true))
        columns.update(_rows(instances.instance_scores, p, true))
    return columns


def _rows(scores: Callable[..., dict[str, float]], *each: Iterable[Any]) -> dict[str, np.ndarray]:
    rows = [scores(*one) for one in zip(*each, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _picture_columns(
    t: np.ndarray,
    probability: np.ndarray | None,
    images: np.ndarray | None,
    extras: Sequence[str],
) -> dict[str, np.ndarray]:
    """What needs the picture itself: its field of view, the skin around a lesion."""
    columns: dict[str, np.ndarray] = {}
    if "ranking" in extras and probability is not None:
        views = [None] * len(t) if images is None else [field_of_view(one) for one in images]
        columns.update(_rows(ranking_scores, list(probability), list(t), views))
    if "skin_tone" in extras and images is not None:
        columns["ita"] = _each(skin_tone.typology_angle, images, t)
    return columns


def _others(p: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of other distributions, which bring their own function."""
    made = {metric.name: metric.make for metric in table().values() if metric.make is not None}
    return {name: _each(resolve(make)(), p, t).astype(float) for name, make in made.items()}


def _class_columns(
    prediction: np.ndarray, truth: np.ndarray, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    found = class_counts(prediction, truth, len(classes))
    columns = {}
    for k, name in list(enumerate(class_names(classes)))[1:]:
        own = Counts(found.tp[:, k], found.fp[:, k], found.fn[:, k], found.tn[:, k])
        scores = own.scores()
        columns.update({f"{score}_{name}": scores[score] for score in SCORES})
        columns.update({f"{kind}_{name}": getattr(own, kind) for kind in ("tp", "fp", "fn", "tn")})
    return columns


CASE_SCORES = (*SCORES, *DISTANCES, "boundary_iou")
