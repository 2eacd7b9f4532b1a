"""Means and ratios over cases, with bootstrap confidence intervals.

Every figure here is a function of sums over cases (a mean: sum of values over number of values; a
pooled score: a ratio of summed counts). A bootstrap draw is then a row of multiplicities times the
table of cases: one matrix product serves all figures at once. Cases that share a group (patient,
field, duplicate cluster) are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri

Method = Literal["bca", "percentile"]
RESAMPLES = 2000
TINY = 1e-12


FEW = 50  # independent units below which an interval covers less than its name says


def too_few(units: int, unit: str = "case") -> str:
    """A warning where an interval rests on few independent units; empty otherwise."""
    if units >= FEW:
        return ""
    what = {"case": "pictures", "group": "groups of pictures"}[unit]
    return (
        f"only {units} independent {what} were scored: below {FEW} an interval is too narrow, "
        "and a difference must be large to show"
    )


@dataclass(frozen=True)
class Figure:
    """Columns that are summed over cases, and what is made of the sums."""

    columns: np.ndarray  # (cases, columns)
    of_sums: Callable[[np.ndarray], np.ndarray]  # (..., columns) -> (...)
    sd: float | None = None


def mean_figure(values: Sequence[float] | np.ndarray) -> Figure:
    """The mean over the cases that have the value; NaN marks a case that has none."""
    array = np.asarray(values, dtype=np.float64)
    there = np.isfinite(array)
    columns = np.stack([np.where(there, array, 0.0), there.astype(np.float64)], 1)
    found = array[there]
    return Figure(columns, _mean, float(found.std(ddof=1)) if found.size > 1 else None)


def pooled_figure(counts: Any, score: str) -> Figure:
    """A score of the pooled matrix: `score` names a method of `Counts`."""
    from segkit.metrics.confusion import Counts

    columns = np.stack([counts.tp, counts.fp, counts.fn, counts.tn], 1).astype(np.float64)

    def of_sums(sums: np.ndarray) -> np.ndarray:
        parts = (sums[..., i] for i in range(4))
        return np.asarray(getattr(Counts(*parts), score)())

    return Figure(columns, of_sums)


@dataclass(frozen=True)
class Resampler:
    """Bootstrap draws over cases or groups of cases; the same draws serve every figure."""

    cases: int
    groups: Sequence[str] | None = None
    resamples: int = RESAMPLES
    seed: int = 0
    method: Method = "bca"
    level: float = 0.95
    _index: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labels = self.groups if self.groups is not None else range(self.cases)
        _, index = np.unique(np.asarray(list(labels)), return_inverse=True)
        object.__setattr__(self, "_index", index)

    @property
    def units(self) -> int:
        """How many independent units are drawn."""
        return int(self._index.max()) + 1 if self.cases else 0

    @property
    def unit(self) -> str:
        """What is drawn: cases, or groups where some cases belong together."""
        return "case" if self.units == self.cases else "group"

    @cached_property
    def draws(self) -> np.ndarray:
        """How often each unit is drawn, per resample (resamples, units)."""
        generator = np.random.default_rng(self.seed)
        even = np.full(self.units, 1.0 / self.units)
        return generator.multinomial(self.units, even, size=self.resamples).astype(np.float64)

    def describe(self) -> dict[str, Any]:
        """What stands beside an interval."""
        return {
            "method": self.method,
            "level": self.level,
            "resamples": self.resamples,
            "unit": self.unit,
            "units": self.units,
            "seed": self.seed,
        }

    def grouped(self, columns: np.ndarray) -> np.ndarray:
        """The columns summed within each unit."""
        sums = np.zeros((self.units, columns.shape[1]))
        np.add.at(sums, self._index, columns)
        return sums

    def values(self, figure: Figure) -> np.ndarray:
        """The figure of every resample."""
        return figure.of_sums(self.draws @ self.grouped(figure.columns))

    def interval(self, figure: Figure) -> tuple[float, float]:
        """The confidence interval of the figure; not a number when there is nothing to resample."""
        tail = (1.0 - self.level) / 2.0
        low, high = self.quantiles(figure, np.array([tail, 1.0 - tail]))
        value = float(figure.of_sums(figure.columns.sum(0)))
        if not low - TINY <= value <= high + TINY:  # a biased figure (ECE): the resamples lie
            return (float("nan"), float("nan"))  # beside it
        return float(low), float(high)

    def quantiles(self, figure: Figure, at: np.ndarray) -> np.ndarray:
        """Quantiles of the figure over the resamples, corrected as the method says."""
        nothing = np.full(len(at), np.nan)
        if self.units < 2:
            return nothing
        columns = self.grouped(figure.columns)
        drawn = figure.of_sums(self.draws @ columns)
        drawn = drawn[np.isfinite(drawn)]
        if not drawn.size:
            return nothing
        ends = _bca_ends(at, drawn, columns, figure) if self.method == "bca" else at
        return np.asarray(np.quantile(drawn, ends))

    def report(self, figure: Figure) -> dict[str, Any]:
        """`{"mean", "ci95", "sd"}` of a figure; what cannot be computed is None."""
        value = float(figure.of_sums(figure.columns.sum(0)))
        low, high = self.interval(figure)
        ends = [low, high] if np.isfinite(low) else None
        return {"mean": value if np.isfinite(value) else None, "ci95": ends, "sd": figure.sd}


def report_all(figures: Mapping[str, Figure], resampler: Resampler) -> dict[str, dict[str, Any]]:
    """The report of each figure by name."""
    return {name: resampler.report(figure) for name, figure in figures.items()}


def _bca_ends(
    ends: np.ndarray, drawn: np.ndarray, columns: np.ndarray, figure: Figure
) -> np.ndarray:
    """Efron's bias correction and acceleration; plain ends where a figure does not vary."""
    whole = columns.sum(0)
    value = float(figure.of_sums(whole))
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn <= value)) / (2 * drawn.size)
    if not 0.0 < below < 1.0:
        return ends
    left_out = figure.of_sums(whole - columns)
    left_out = left_out[np.isfinite(left_out)]
    step = left_out.mean() - left_out
    spread = float((step**2).sum())
    if spread <= 0.0:
        return ends
    acceleration = float((step**3).sum()) / (6.0 * spread**1.5)
    bias = ndtri(below)
    normal = ndtri(ends)
    return ndtr(bias + (bias + normal) / (1.0 - acceleration * (bias + normal)))


def _mean(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])
