"""The metrics, one row each: what it means, which end is better, where it is shown, in what order.

Whatever lists metrics reads this table: cases.csv, `evaluate`, `compare`, sweeps, the report. Those
of other distributions (entry-point group `segkit.metrics`) follow ours. Stdlib only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from segkit import plugins
from segkit.api import Metric
from segkit.errors import UsageError, unknown

BOTH = ("image", "pooled")


def _overlap(
    name: str, title: str, meaning: str, order: int, report: tuple[str, ...] = ()
) -> Metric:
    return Metric(name, title, meaning, pooled=True, order=order, report=report)


# order: below 100 beside the facts of a picture in cases.csv, below 200 after them, then the rest
DICE = _overlap("dice", "Dice", "overlap, 1 is perfect", 10, BOTH)
IOU = _overlap("iou", "IoU", "stricter overlap, 1 is perfect", 11, ("image",))
ACC = _overlap("acc", "Accuracy", "share of the pixels that are right", 12)
SEN = _overlap("sen", "Sensitivity", "share of the truth that is found", 13)
SPE = _overlap("spe", "Specificity", "share of the background that stays background", 14)
PRE = _overlap("pre", "Precision", "share of the prediction that is right", 15)
MAE = Metric(
    "mae",
    "MAE",
    "share of the pixels that are wrong",
    higher=False,
    pooled=True,
    order=16,
    report=(),
)
HD95 = Metric(
    "hd95",
    "HD95 (px)",
    "distance of the outlines in pixels",
    higher=False,
    unit="px",
    order=20,
    digits=2,
)
ASSD = Metric(
    "assd",
    "ASSD (px)",
    "mean distance of the outlines in pixels",
    higher=False,
    unit="px",
    order=21,
    digits=2,
    report=(),
)
NSD = Metric("nsd", "NSD", "share of the outlines within the tolerance", order=22, report=())
BOUNDARY_IOU = Metric("boundary_iou", "Boundary IoU", "overlap of the rims", order=23, report=())
HD = Metric(
    "hd",
    "HD (px)",
    "largest distance of the outlines in pixels",
    higher=False,
    unit="px",
    order=110,
    digits=2,
    shown=False,
    report=(),
)
DICE_SOFT = Metric("dice_soft", "Dice (soft)", "overlap of the probabilities", order=111, report=())
MAE_SOFT = Metric(
    "mae_soft",
    "MAE (soft)",
    "mean error of the probabilities",
    higher=False,
    order=112,
    shown=False,
    report=(),
)
BRIER = Metric(
    "brier",
    "Brier",
    "mean squared error of the probabilities",
    higher=False,
    order=113,
    shown=False,
    report=(),
)
CLDICE = Metric("cldice", "clDice", "overlap of the centre lines", order=210, report=())
OBJECT_F1 = Metric("object_f1", "Object F1", "objects found at an IoU of 0.5", order=211, report=())
OBJECT_MAP = Metric(
    "object_map", "Object mAP", "objects found at IoU 0.5 to 0.95", order=212, report=()
)
PQ = Metric("pq", "PQ", "panoptic quality: objects found times their overlap", order=213)
RQ = Metric("rq", "RQ", "F1 of the objects found at an IoU of 0.5", order=214, report=())
SQ = Metric("sq", "SQ", "mean IoU of the objects found", order=215, report=())
AJI = Metric("aji", "AJI", "aggregated Jaccard index of the objects", order=216)
COMPONENT_DICE = Metric(
    "component_dice", "Dice (per lesion)", "Dice of each lesion, false ones 0", order=217, report=()
)
BETTI_ERROR = Metric(
    "betti_error",
    "Betti-0 error",
    "difference in the number of connected parts",
    higher=False,
    unit="parts",
    order=218,
    digits=2,
    report=(),
)
AUC_PR = Metric("auc_pr", "AUC-PR", "precision over all thresholds", order=219)
AUC_ROC = Metric("auc_roc", "AUC-ROC", "pixels ranked rightly", order=220, report=())

BUILT_IN = tuple(
    sorted(
        (value for value in list(globals().values()) if isinstance(value, Metric)),
        key=lambda metric: metric.order,
    )
)
OVERLAP = tuple(metric.name for metric in BUILT_IN if metric.pooled)  # per image and pooled
CALIBRATION = ("ece", "ace", "mce", "ece_rim")  # over all pixels: no figure of a single picture
DISTANCES = ("hd", "hd95", "assd", "nsd")  # worked out together, in this order
HEADLINE = ("dice_image", "iou_image", "dice_pooled", "iou_pooled", "hd95")  # of sweeps and runs


@cache
def table() -> Mapping[str, Metric]:
    """Every metric by name, in order; one of a stranger that cannot be loaded is left out."""
    own = {metric.name for metric in BUILT_IN}
    theirs = [row.value for row in plugins.statuses("metrics") if row.value and row.name not in own]
    ordered = sorted((*BUILT_IN, *theirs), key=lambda metric: (metric.order, metric.name))
    return {metric.name: metric for metric in ordered}


def key(metric: Metric, how: str) -> str:
    """The name of an aggregation: dice_image, dice_pooled; a metric without pooling is itself."""
    if not metric.pooled or (metric.name == "mae" and how == "image"):
        return metric.name
    return f"{metric.name}_{how}"


def shown() -> list[str]:
    """The rows of `segkit evaluate`: Dice and IoU both ways, the rest per picture, in order."""
    first = [f"{name}_{how}" for how in BOTH for name in ("dice", "iou")]
    rest = [key(metric, "image") for metric in table().values() if metric.shown]
    return [*first, *(name for name in rest if name not in first), "iou_thresholded", *CALIBRATION]


@dataclass(frozen=True)
class NamedScore:
    """What a metric's name means: a column of cases.csv, averaged or pooled."""

    column: str
    pooled: bool

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is better."""
        return lower_is_better(self.column)

    @property
    def in_pixels(self) -> bool:
        """Whether the value is a length in pixels."""
        return in_pixels(self.column)


def lower_is_better(name: str) -> bool:
    """Whether a smaller value of a metric or column is better."""
    metric = table().get(kind(name))
    return kind(name) in CALIBRATION if metric is None else not metric.higher


def in_pixels(name: str) -> bool:
    """Whether a metric or column is a length."""
    metric = table().get(kind(name))
    return metric is not None and metric.unit == "px"


def unit(name: str) -> str:
    """The unit of a metric or column; empty for a share of 1."""
    metric = table().get(kind(name))
    return "" if metric is None else metric.unit


def kind(name: str) -> str:
    """The metric behind a column or aggregation: `dice` of dice_image and of dice_lesion."""
    plain = name.removesuffix("_image").removesuffix("_pooled")
    if plain in table():
        return plain
    return plain.partition("_")[0] if plain.partition("_")[0] in OVERLAP else plain


def score_of(metric: str, columns: Iterable[str]) -> NamedScore:
    """The score that a metric names, among the columns that were measured."""
    known = [c for c in columns if kind(c) in table()]
    plain, pooled = metric.removesuffix("_image"), metric.endswith("_pooled")
    plain = plain.removesuffix("_pooled")
    if plain in CALIBRATION:
        raise UsageError(f"{plain} cannot be compared picture by picture", "try brier")
    if plain not in known:
        raise unknown("metric", metric, [*_named(known), *known])
    if pooled and not table()[kind(plain)].pooled:
        raise UsageError(f"there is no {metric}", f"{plain} is worked out per picture: use {plain}")
    return NamedScore(plain, pooled)


def _named(columns: Iterable[str]) -> list[str]:
    return [f"{c}_{how}" for c in columns if c in OVERLAP for how in ("image", "pooled")]
