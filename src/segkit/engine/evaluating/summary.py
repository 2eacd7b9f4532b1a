"""From the columns of all cases to the document that `evaluate --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segkit.metrics import calibration, cases, slices, trainings
from segkit.metrics.conformal import deferral
from segkit.metrics.confusion import Counts, from_columns
from segkit.metrics.intervals import Figure, Resampler, mean_figure, pooled_figure, report_all
from segkit.metrics.probability import errors
from segkit.metrics.protocols import ISIC_LIMIT, under_conventions
from segkit.metrics.surface import NSD_CURVE
from segkit.metrics.table import OVERLAP as SCORES
from segkit.metrics.table import key, table, unit

Columns = Mapping[str, np.ndarray]
METHODS = {"acc": "accuracy", "sen": "sensitivity", "spe": "specificity", "pre": "precision"}


def figures(columns: Columns) -> dict[str, Figure]:
    """Every metric of a table of cases; names carry the aggregation where both make sense."""
    found = overlap_figures(columns, from_columns(columns))
    for name, metric in table().items():
        if name in columns and not metric.pooled:
            found[name] = mean_figure(columns[name])
    iou = np.asarray(columns["iou"], dtype=float)
    found["iou_thresholded"] = mean_figure(np.where(iou < ISIC_LIMIT, 0.0, iou))
    if "reliability" in columns:
        bins = columns["reliability"]
        sums = bins.reshape(len(bins), -1)
        found["ece"] = Figure(sums, calibration.ece)
        found["ace"], found["mce"] = Figure(sums, errors.ace), Figure(sums, errors.mce)
    if "reliability_rim" in columns:
        rims = columns["reliability_rim"]
        found["ece_rim"] = Figure(rims.reshape(len(rims), -1), calibration.ece)
    return found


def overlap_figures(columns: Columns, counts: Counts, suffix: str = "") -> dict[str, Figure]:
    """Each overlap score per image and pooled."""
    found: dict[str, Figure] = {}
    for name in SCORES:
        metric = table()[name]
        found[key(metric, "image")] = mean_figure(columns[f"{name}{suffix}"])
        found[key(metric, "pooled")] = pooled_figure(counts, METHODS.get(name, name))
    return found


def units(columns: Columns) -> list[str]:
    """What is independent: groups; the same picture under several folds or seeds is one unit."""
    return [str(group) for group in columns["group"]]


def resampler(columns: Columns, resamples: int = 2000, method: Any = "bca") -> Resampler:
    """Draws over the independent units of a table of cases."""
    return Resampler(len(columns["id"]), units(columns), resamples, method=method)


def metrics(columns: Columns, draws: Resampler) -> dict[str, Any]:
    """`{"mean", "ci95", "sd"}` per metric; `folds_sd` where there are several folds.

    `ci95_trainings` where there are several seeds or folds: for another training too.
    """
    found = figures(columns)
    reports = report_all(found, draws)
    several = trainings.Trainings.of(columns)
    for name, ends in trainings.report_all(found, several, draws).items() if several else ():
        reports[name]["ci95_trainings"] = ends and _possible(name, ends)
    for name, sd in _fold_spread(columns).items():
        reports[name]["folds_sd"] = sd
    return reports


def _possible(name: str, ends: list[float]) -> list[float]:
    """Ends of Student's distribution kept to what the metric can be: shares end at 1."""
    most = np.inf if unit(name) else 1.0
    return [float(np.clip(end, 0.0, most)) for end in ends]


def per_class(columns: Columns, classes: Sequence[str], draws: Resampler) -> dict[str, Any]:
    """The overlap scores of each class against the rest, where there are more than two classes.

    A class that no picture has is counted and has no scores: its empty masks would be 1.
    """
    if len(classes) <= 2:
        return {}
    found: dict[str, Any] = {}
    labels = dict(zip(classes[1:], cases.class_names(classes)[1:], strict=True))
    for name, label in labels.items():
        parts = [columns[f"{kind}_{label}"].astype(np.int64) for kind in ("tp", "fp", "fn", "tn")]
        found[name] = _of_class(columns, Counts(*parts), label, draws)
    there = [label for name, label in labels.items() if found[name]["pictures"]]
    for score in ("dice", "iou") if there else ():
        mean = np.mean([columns[f"{score}_{label}"] for label in there], axis=0)
        found.setdefault("mean", {})[f"{score}_image"] = draws.report(mean_figure(mean))
    return found


def _of_class(columns: Columns, counts: Counts, label: str, draws: Resampler) -> dict[str, Any]:
    """One class: in how many pictures it is, in how many it was predicted, and its scores."""
    has = np.asarray(counts.area_truth() > 0)
    facts: dict[str, Any] = {
        "pictures": int(has.sum()),
        "predicted": int((counts.area_prediction() > 0).sum()),
    }
    if not facts["pictures"]:
        return facts
    where = np.where(has, columns[f"dice_{label}"], np.nan)
    own = {"dice_present": draws.report(mean_figure(where))}
    return {**facts, **own, **report_all(overlap_figures(columns, counts, f"_{label}"), draws)}


def by_fold(columns: Columns) -> list[dict[str, Any]]:
    """The main figures of each fold (and seed)."""
    rows = []
    for seed, fold in _folds(columns):
        chosen = (columns["fold"] == fold) & (columns["seed"] == seed)
        part = {name: values[chosen] for name, values in columns.items()}
        row: dict[str, Any] = {"fold": int(fold), "seed": str(seed), "n": int(chosen.sum())}
        for name, figure in figures(part).items():
            row[name] = float(figure.of_sums(figure.columns.sum(0)))
        rows.append(row)
    return rows


def _folds(columns: Columns) -> list[tuple[Any, Any]]:
    return list(dict.fromkeys(zip(columns["seed"], columns["fold"], strict=True)))


def _fold_spread(columns: Columns) -> dict[str, float]:
    rows = by_fold(columns) if len(_folds(columns)) > 1 else []
    names = [name for name in (rows[0] if rows else {}) if name not in ("fold", "seed", "n")]
    return {name: float(np.std([row[name] for row in rows], ddof=1)) for name in names}


def nsd_curve(columns: Columns, draws: Resampler, unit: str = "px") -> list[dict[str, Any]]:
    """NSD at 1, 2, 3 and 5 pixels or millimetres, each with its interval."""
    return [
        {"tolerance": most, "unit": unit, **draws.report(mean_figure(columns[name]))}
        for name, most in NSD_CURVE.items()
        if name in columns
    ]


def empty_counts(columns: Columns) -> dict[str, int]:
    """Cases with an empty mask: both, only the prediction, only the truth."""
    states = list(columns["empty"])
    return {state: states.count(state) for state in cases.EMPTY_STATES}


def document(
    head: Mapping[str, Any],
    columns: Columns,
    classes: Sequence[str],
    scoring: tuple[str, ...] | None,
    draws: Resampler,
) -> dict[str, Any]:
    """The whole `evaluate --json` document. `scoring`: conventions to show; () shows all."""
    several = trainings.Trainings.of(columns)
    made = {
        **head,
        "n": len(set(columns["id"])),
        "cases": len(columns["id"]),
        "metrics": metrics(columns, draws),
        "nsd_curve": nsd_curve(columns, draws, "mm" if head.get("spacing") else "px"),
        "empty": empty_counts(columns),
        "protocols": {} if scoring is None else under_conventions(columns, scoring, draws),
        "interval": draws.describe(),
        "trainings": several.describe() if several else None,
        "folds": by_fold(columns),
        "classes": per_class(columns, classes, draws),
        "slices": slices.by_slice(columns),
        "worst": slices.worst(columns),
        "ms_per_image": float(np.median(columns["ms"])),
    }
    if "reliability" in columns:
        made["calibration"] = {
            "ece": made["metrics"]["ece"]["mean"],
            "ace": made["metrics"]["ace"]["mean"],
            "mce": made["metrics"]["mce"]["mean"],
            "ece_rim": made["metrics"].get("ece_rim", {}).get("mean"),
            "brier": made["metrics"]["brier"]["mean"],
            "bins": calibration.bins(columns["reliability"]),
        }
    if "expected_dice" in columns:
        made["risk_coverage"] = deferral.curve_document(columns["expected_dice"], columns["dice"])
    return made
