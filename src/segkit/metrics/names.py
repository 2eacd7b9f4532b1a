"""The names of scores: what a person may ask for, what is better when small, what is in pixels.

Stdlib only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segkit.errors import UsageError, unknown

OVERLAP = ("dice", "iou", "acc", "sen", "spe", "pre", "mae")  # per image and pooled
DISTANCES = ("hd", "hd95", "assd", "nsd")
PER_CASE = (*DISTANCES, "boundary_iou", "dice_soft", "mae_soft", "brier")
OPTIONAL = ("cldice", "object_f1", "object_map")
LOWER = ("mae", "hd", "hd95", "assd", "mae_soft", "brier", "ece")
PIXELS = ("hd", "hd95", "assd")


@dataclass(frozen=True)
class Score:
    """What a metric's name means: a column of cases.csv, averaged or pooled."""

    column: str
    pooled: bool

    @property
    def lower_is_better(self) -> bool:
        """Whether less is more."""
        return kind(self.column) in LOWER

    @property
    def in_pixels(self) -> bool:
        """Whether it is a length."""
        return kind(self.column) in PIXELS


def kind(name: str) -> str:
    """The score behind a column or metric: `dice` of dice_image and of dice_lesion."""
    plain = name.removesuffix("_image").removesuffix("_pooled")
    if plain in (*PER_CASE, *OPTIONAL):
        return plain
    return plain.partition("_")[0] if plain.partition("_")[0] in OVERLAP else plain


def score_of(metric: str, columns: Iterable[str]) -> Score:
    """The score that a metric names, among the columns that were measured."""
    known = [c for c in columns if kind(c) in (*OVERLAP, *PER_CASE, *OPTIONAL)]
    plain, pooled = metric.removesuffix("_image"), metric.endswith("_pooled")
    plain = plain.removesuffix("_pooled")
    if plain == "ece":
        raise UsageError("ece cannot be compared picture by picture", "try brier")
    if plain not in known:
        raise unknown("metric", metric, [*_named(known), *known])
    if pooled and plain not in OVERLAP:
        raise UsageError(f"there is no {metric}", f"{plain} is worked out per picture: use {plain}")
    return Score(plain, pooled)


def _named(columns: Iterable[str]) -> list[str]:
    return [f"{c}_{how}" for c in columns if c in OVERLAP for how in ("image", "pooled")]
