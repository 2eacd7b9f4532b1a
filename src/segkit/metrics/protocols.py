"""Scoring conventions: the same predictions under every published way of scoring.

Each convention turns per-case evidence (`cases.measure` with `evidence=True`) into the figures
that a paper would print; those that average over cases get intervals of their own. The spread
between them is what the same masks would be called in each paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segkit.errors import unknown
from segkit.metrics import calibration
from segkit.metrics.confusion import Counts, from_columns
from segkit.metrics.definitions import FIGURES, column
from segkit.metrics.intervals import Resampler, mean_figure

BATCH = 8
ISIC_LIMIT = 0.65  # ISIC 2018: a Jaccard index below it counts as 0

Columns = Mapping[str, np.ndarray]
Scores = dict[str, float]
Values = dict[str, np.ndarray]  # one number per case, NaN where a case has none


@dataclass(frozen=True)
class Convention:
    """One way of scoring: `whole` takes the columns of all cases, `each` gives one per case."""

    name: str
    summary: str
    used_by: str
    each: Callable[[Columns], Values] | None = None
    whole: Callable[[Columns], Scores] | None = None
    needs: tuple[str, ...] = ()  # columns without which it cannot be worked out
    absent: str = ""  # why they may not be there

    def report(self, columns: Columns, draws: Resampler | None) -> dict[str, Any]:
        """The figures, and their intervals where they are means over cases."""
        if self.each is None:
            assert self.whole is not None
            return {"metrics": self.whole(columns)}
        values = self.each(columns)
        made: dict[str, Any] = {"metrics": {name: _mean(v) for name, v in values.items()}}
        if draws is not None:
            made["ci95"] = {n: draws.report(mean_figure(v))["ci95"] for n, v in values.items()}
        return made


def pooled(columns: Columns) -> Scores:
    """One confusion matrix over all pixels."""
    whole = from_columns(columns).pooled()
    return {name: float(value) for name, value in whole.scores().items()}


def per_image(columns: Columns) -> Values:
    """Image by image, empty masks by the rule of segkit."""
    names = ("dice", "iou", "acc", "sen", "spe", "pre", "mae")
    return {name: columns[name] for name in names}


def per_batch(columns: Columns, size: int = BATCH) -> Scores:
    """One matrix per batch of 8 in reading order, then the mean over batches."""
    every = from_columns(columns)
    starts = range(0, len(every), size)
    batches = [_part(every, slice(start, start + size)).pooled() for start in starts]
    return _means([batch.scores() for batch in batches])


def soft(columns: Columns) -> Values:
    """Soft Dice at batch 1, hard IoU, precision and recall with the logit cut at 0.5."""
    names = {"dice": "dice_soft", "iou": "iou", "pre": "pre_logit", "sen": "sen_logit"}
    return {name: columns[column] for name, column in names.items()}


def qtseg(columns: Columns) -> Values:
    """Per image on the padded canvas; TP = 0 is replaced by 1."""
    every = from_columns({name: columns[f"canvas_{name}"] for name in ("tp", "fp", "fn", "tn")})
    at_least_one = Counts(np.maximum(every.tp, 1), every.fp, every.fn, every.tn)
    scores = at_least_one.scores()
    wrong = (every.fp + every.fn) / every.pixels()
    return {**{name: scores[name] for name in ("dice", "iou", "acc")}, "mae": wrong}


def thresholds(columns: Columns) -> Scores:
    """PraNet: mean over images at each threshold k / 255 of the 8-bit map, then over thresholds."""
    return {name: float(curve.mean()) for name, curve in _curves(columns).items()}


def best_threshold(columns: Columns) -> Scores:
    """The best of 256 thresholds, chosen on the scored part itself."""
    return {name: float(curve.max()) for name, curve in _curves(columns).items()}


def both_classes(columns: Columns) -> Scores:
    """The mean of foreground and background, both pooled ("mIoU" of many toolkits)."""
    whole = from_columns(columns).pooled()
    front, back = whole.scores(), whole.inverted().scores()
    return {name: float(front[name] + back[name]) / 2 for name in ("dice", "iou")}


def thresholded_jaccard(columns: Columns) -> Values:
    """Per image; a Jaccard index below 0.65 counts as 0."""
    iou = np.asarray(columns["iou"], dtype=float)
    return {"iou": np.where(iou < ISIC_LIMIT, 0.0, iou)}


def empty_as(value: float) -> Callable[[Columns], Values]:
    """Per image; a case in which either mask is empty counts as `value`; NaN leaves it out."""

    def each(columns: Columns) -> Values:
        empty = np.asarray(columns["empty"], dtype=object) != ""
        names = ("dice", "iou", "acc", "sen", "spe", "pre")
        return {name: np.where(empty, value, columns[name].astype(float)) for name in names}

    return each


def original_grid(columns: Columns) -> Values:
    """Image by image on the grid of the original pictures."""
    names = ("dice", "iou", "acc", "mae", "hd95")
    return {n: columns[f"original_{n}"] for n in names if f"original_{n}" in columns}


def by_tool(tool: str) -> Callable[[Columns], Values]:
    """Distances as a tool defines them; cases with an empty mask are left out."""

    def each(columns: Columns) -> Values:
        return {figure: columns[column(tool, figure)] for figure in FIGURES[tool]}

    return each


def of_tool(tool: str, meaning: str, source: str) -> Convention:
    """The convention of a tool for distances."""
    return Convention(
        tool,
        meaning,
        source,
        by_tool(tool),
        needs=(column(tool, "hd95"),),
        absent="the distances of other tools were not worked out",
    )


CONVENTIONS: dict[str, Convention] = {
    item.name: item
    for item in (
        Convention(
            "segkit",
            "mean over images; both empty = 1, one empty = 0",
            "segkit's headline",
            per_image,
        ),
        Convention(
            "vmpanet",
            "one matrix over all pixels at 0.5",
            "VMPANet; MALUNet, EGE-UNet, VM-UNet and their line",
            whole=pooled,
        ),
        Convention(
            "eamnet",
            "mean over images; both empty = 1, one empty = 0",
            "EAM-Net",
            per_image,
        ),
        Convention(
            "qtseg",
            "mean over images on the padded square canvas; TP = 0 is replaced by 1",
            "QTSeg",
            qtseg,
            needs=("canvas_tp",),
            absent="its padded canvas is made of the prepared grid: leave --at original out",
        ),
        Convention(
            "dermomamba",
            "soft Dice and hard IoU at batch 1; precision and recall with the logit cut at 0.5",
            "DermoMamba, AC-MambaSeg",
            soft,
            needs=("dice_soft", "pre_logit"),
            absent="needs probabilities, not only masks",
        ),
        Convention(
            "batch", "one matrix per batch of 8, mean over batches", "UNeXt", whole=per_batch
        ),
        Convention(
            "thresholds",
            "each map stretched to 8 bits; mean over images and the 256 thresholds k / 255; "
            "no common pixel = 0",
            "PraNet's meanDic and meanIoU",
            whole=thresholds,
            needs=("histogram",),
            absent="needs probabilities, not only masks",
        ),
        Convention(
            "best-threshold",
            "the same maps; the best of 256 thresholds, chosen on the scored part",
            "PraNet's maxDic and maxIoU; optimistic",
            whole=best_threshold,
            needs=("histogram",),
            absent="needs probabilities, not only masks",
        ),
        Convention(
            "fg-bg",
            "mean of foreground and background, pooled",
            "toolkits whose mIoU includes the background",
            whole=both_classes,
        ),
        Convention(
            "isic",
            "mean over images; IoU below 0.65 = 0",
            "ISIC 2018 challenge (thresholded Jaccard)",
            thresholded_jaccard,
        ),
        Convention(
            "empty-1", "mean over images; a case with an empty mask = 1", "lenient", empty_as(1.0)
        ),
        Convention(
            "empty-0", "mean over images; a case with an empty mask = 0", "strict", empty_as(0.0)
        ),
        Convention(
            "empty-skipped",
            "mean over images; cases with an empty mask are left out",
            "medpy users",
            empty_as(float("nan")),
        ),
        Convention(
            "original",
            "mean over images on the original grid",
            "challenges",
            original_grid,
            needs=("original_dice",),
            absent="the original pictures are needed: scored at the prepared size only",
        ),
        of_tool(
            "medpy",
            "distances of both directions together; cases with an empty mask are left out",
            "MedPy 0.5",
        ),
        of_tool(
            "monai",
            "HD95 is the larger of two directed percentiles; cases with an empty mask left out",
            "MONAI 1.6",
        ),
        of_tool(
            "surface-distance",
            "outline elements weighed by length, the larger percentile; empty masks left out",
            "DeepMind's surface-distance",
        ),
    )
}


def under_conventions(
    columns: Columns, names: tuple[str, ...] = (), draws: Resampler | None = None
) -> dict[str, Any]:
    """The figures under each convention, and the spread of Dice and IoU in points.

    With `draws` those that are means over cases have intervals ("ci95").
    """
    chosen = [_convention(name) for name in names] if names else list(CONVENTIONS.values())
    found: dict[str, Any] = {}
    for item in chosen:
        missing = [name for name in item.needs if name not in columns]
        row: dict[str, Any] = {"summary": item.summary, "used_by": item.used_by}
        if missing:
            row["missing"] = item.absent
        else:
            row |= item.report(columns, draws)
        found[item.name] = row
    if len(chosen) > 1:
        found["spread"] = {name: _spread(found, name) for name in ("dice", "iou")}
    return found


def _convention(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise unknown("scoring", name, CONVENTIONS)
    return CONVENTIONS[name]


def _spread(found: Mapping[str, Any], score: str) -> dict[str, Any]:
    values = {
        name: row["metrics"][score]
        for name, row in found.items()
        if score in row.get("metrics", {}) and np.isfinite(row["metrics"][score])
    }
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return {"points": 100 * (values[high] - values[low]), "lowest": low, "highest": high}


def _curves(columns: Columns) -> dict[str, np.ndarray]:
    levels = calibration.counts_at_levels(np.asarray(columns["histogram"]))
    hit = levels.tp > 0  # without a common pixel PraNet writes 0, also where both are empty
    curves = {"dice": levels.dice(), "iou": levels.iou()}
    return {name: np.where(hit, curve, 0.0).mean(0) for name, curve in curves.items()}


def _part(every: Counts, which: slice) -> Counts:
    return Counts(every.tp[which], every.fp[which], every.fn[which], every.tn[which])


def _means(rows: list[dict[str, Any]]) -> Scores:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _mean(values: Any) -> float:
    array = np.asarray(values, dtype=float)
    there = array[np.isfinite(array)]
    return float(there.mean()) if there.size else float("nan")
