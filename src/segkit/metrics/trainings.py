"""An interval that holds for another training too, not only for other pictures.

The pictures are resampled, as in `intervals`. Seeds (or folds) are two to ten: resampling so few
gives an interval that is too narrow, so their level is drawn from Student's distribution with the
spread that is left between the trainings after the chance of the pictures is taken off. The two
levels are added: the interval that Behrens and Fisher give for two variances, with the pictures'
own skewed shape. Below five folds what is left after that subtraction is too uncertain; their own
spread, which holds the chance of the pictures already, stands alone (Student's interval).
tests/metrics/test_trainings.py holds the coverage to 93 to 97 per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from segkit.metrics.intervals import Figure, Resampler

FEW_FOLDS = 5


@dataclass(frozen=True)
class Trainings:
    """Which rows each training has scored: by seed, or by fold where there is one seed."""

    unit: str  # "seed" or "fold"
    labels: np.ndarray

    @classmethod
    def of(cls, table: Mapping[str, np.ndarray]) -> Trainings | None:
        """The level that has several trainings; none where there was one training."""
        for unit in ("seed", "fold"):
            if unit in table and len(set(table[unit].tolist())) > 1:
                return cls(unit, table[unit])
        return None

    @property
    def names(self) -> list[Any]:
        """One label a training, sorted."""
        return sorted(set(self.labels.tolist()))

    def describe(self) -> dict[str, Any]:
        """What stands beside the interval."""
        return {"unit": self.unit, "trainings": len(self.names)}

    def figures(self, figure: Figure) -> list[Figure]:
        """The same figure of each training's own rows, on the cases of all."""
        kept = (self.labels == name for name in self.names)
        return [
            Figure(np.where(rows[:, None], figure.columns, 0.0), figure.of_sums) for rows in kept
        ]


@dataclass(frozen=True)
class Spread:
    """How far the mean of some trainings may lie from that of all possible ones."""

    error: float  # standard error that the trainings add
    trainings: int
    alone: bool = False  # the chance of the pictures is in it

    @classmethod
    def of(cls, figures: Sequence[Figure], draws: Resampler, unit: str = "seed") -> Spread:
        """From each training's figure: their variance less what other pictures would make of it."""
        many = len(figures)
        alone = unit == "fold" and many < FEW_FOLDS
        values = np.array([float(f.of_sums(f.columns.sum(0))) for f in figures])
        chance = 0.0 if alone else _by_pictures(figures, draws)
        left = max(0.0, float(values.var(ddof=1)) - chance)
        return cls(float(np.sqrt(left / many)), many, alone)

    def shifts(self, many: int, seed: int) -> np.ndarray:
        """Equally likely shifts of the mean, in an order of their own."""
        at = (np.arange(many) + 0.5) / many
        order = np.random.default_rng(seed).permutation(many)
        return np.asarray(self.error * stdtrit(self.trainings - 1, at))[order]


def _by_pictures(figures: Sequence[Figure], draws: Resampler) -> float:
    """The variance between the trainings that other pictures would make."""
    drawn = np.stack([draws.values(figure) for figure in figures])
    apart = drawn - drawn.mean(0)
    return float(apart.var(1).mean()) * len(figures) / (len(figures) - 1)


def interval(figure: Figure, spreads: Sequence[Spread], draws: Resampler) -> tuple[float, float]:
    """The interval of the figure over pictures and trainings; not a number where there is none."""
    many = draws.resamples
    value = float(figure.of_sums(figure.columns.sum(0)))
    drawn = np.full(many, value)
    if not any(spread.alone for spread in spreads):
        drawn = draws.quantiles(figure, (np.arange(many) + 0.5) / many)
    for place, spread in enumerate(spreads, 1):
        drawn = drawn + spread.shifts(many, draws.seed + place)
    tail = (1.0 - draws.level) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    if not low <= value <= high:  # as in `Resampler.interval`
        return (float("nan"), float("nan"))
    return float(low), float(high)


def report_all(
    figures: Mapping[str, Figure], trainings: Trainings, draws: Resampler
) -> dict[str, list[float] | None]:
    """By name: the interval over pictures and trainings, or None."""
    found: dict[str, list[float] | None] = {}
    for name, figure in figures.items():
        spread = Spread.of(trainings.figures(figure), draws, trainings.unit)
        low, high = interval(figure, [spread], draws)
        found[name] = [low, high] if np.isfinite(low) else None
    return found
