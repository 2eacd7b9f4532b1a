"""Paired comparison of runs on the same cases: tests, correction, tie groups, rank stability.

Cases that share a group are exchanged and drawn together, as in `intervals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy import stats

from segkit.metrics.intervals import Figure, Resampler, mean_figure

DRAWS = 10_000
EXACT_UNITS = 12  # up to so many units, all exchanges are tried
LEVEL = 0.05


@dataclass(frozen=True)
class PairedComparison:
    """Two runs compared: `a` minus `b`."""

    a: str
    b: str
    difference: float
    ci95: tuple[float, float]
    p: float  # permutation test
    p_holm: float
    p_wilcoxon: float
    wins: int
    losses: int
    detectable: float  # smallest true difference that this set shows with 80 % power

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain data for JSON."""
        return {**self.__dict__, "ci95": list(self.ci95)}


def permutation_test(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> float:
    """Two-sided p of the mean difference under exchange of the two runs within each unit."""
    one, other = mean_figure(a), mean_figure(b)
    return figure_permutation_test(one, other, groups, draws, seed)


def figure_permutation_test(
    a: Figure,
    b: Figure,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> float:
    """The same for any figure of summed columns, pooled scores for example."""
    units = Resampler(len(a.columns), groups, seed=seed)
    one, other = units.grouped(a.columns), units.grouped(b.columns)
    shift, total = one - other, one.sum(0) + other.sum(0)
    observed = abs(_difference(a, one.sum(0), other.sum(0)))
    if not np.isfinite(observed):
        return float("nan")
    signs, exact = _signs(units.units, draws, seed)
    swing = signs @ shift
    found = np.abs(_difference(a, (total + swing) / 2, (total - swing) / 2))
    extreme = int(np.count_nonzero(found >= observed * (1 - 1e-9) - 1e-15))
    return extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1)


def _difference(figure: Figure, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return figure.of_sums(one) - figure.of_sums(other)


def _signs(units: int, draws: int, seed: int) -> tuple[np.ndarray, bool]:
    if units <= EXACT_UNITS:
        return np.array(list(product((1.0, -1.0), repeat=units))), True
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2, (draws, units)) * 2.0 - 1.0, False


def wilcoxon_test(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (Pratt's zeros); 1 where all differences are 0."""
    difference = _both(a, b)
    if not difference.size or not np.any(difference):
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the given order."""
    many = len(p_values)
    order = sorted(range(many), key=lambda i: p_values[i])
    corrected, floor = [1.0] * many, 0.0
    for rank, i in enumerate(order):
        floor = max(floor, min(1.0, (many - rank) * p_values[i]))
        corrected[i] = floor
    return corrected


def detectable_difference(
    a: np.ndarray, b: np.ndarray, level: float = LEVEL, power: float = 0.8
) -> float:
    """The smallest true mean difference that a paired test on these cases shows with `power`."""
    difference = _both(a, b)
    if difference.size < 2:
        return float("nan")
    reach = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power)
    return float(reach * difference.std(ddof=1) / np.sqrt(difference.size))


def compare_runs(
    values: Mapping[str, np.ndarray],
    groups: Sequence[str] | None = None,
    figures: Mapping[str, Figure] | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> list[PairedComparison]:
    """All pairs of runs, tested and corrected; `figures` replaces the mean of the values."""
    figures = figures or {name: mean_figure(column) for name, column in values.items()}
    cases = len(next(iter(values.values())))
    units = Resampler(cases, groups, resamples=resamples, seed=seed)
    pairs = list(combinations(values, 2))
    p_values = [
        figure_permutation_test(figures[a], figures[b], groups, seed=seed) for a, b in pairs
    ]
    rows = []
    for (a, b), p, corrected in zip(pairs, p_values, holm(p_values), strict=True):
        rows.append(_pair(a, b, values, figures, units, p, corrected))
    return rows


def _pair(
    a: str,
    b: str,
    values: Mapping[str, np.ndarray],
    figures: Mapping[str, Figure],
    units: Resampler,
    p: float,
    corrected: float,
) -> PairedComparison:
    figure = difference_figure(figures[a], figures[b])
    low, high = units.interval(figure)
    change = _both(values[a], values[b])
    return PairedComparison(
        a=a,
        b=b,
        difference=float(figure.of_sums(figure.columns.sum(0))),
        ci95=(low, high),
        p=p,
        p_holm=corrected,
        p_wilcoxon=wilcoxon_test(values[a], values[b]),
        wins=int(np.count_nonzero(change > 0)),
        losses=int(np.count_nonzero(change < 0)),
        detectable=detectable_difference(values[a], values[b]),
    )


def difference_figure(a: Figure, b: Figure) -> Figure:
    """The difference of two figures on the same cases, as one figure."""
    split = a.columns.shape[1]

    def of_sums(sums: np.ndarray) -> np.ndarray:
        return a.of_sums(sums[..., :split]) - b.of_sums(sums[..., split:])

    return Figure(np.concatenate([a.columns, b.columns], 1), of_sums)


def tie_groups(
    scores: Mapping[str, float], pairs: Sequence[PairedComparison], level: float = LEVEL
) -> dict[str, str]:
    """Letters per run, best first: runs that share a letter cannot be told apart."""
    order = sorted(scores, key=lambda name: -scores[name])
    apart = {frozenset((pair.a, pair.b)) for pair in pairs if pair.p_holm < level}
    cliques = _absorb([set(order)], apart)
    cliques.sort(key=lambda clique: [name not in clique for name in order])
    letters = dict.fromkeys(order, "")
    for i, clique in enumerate(cliques):
        for name in clique:
            letters[name] += chr(ord("a") + i % 26)
    return letters


def _absorb(cliques: list[set[str]], apart: set[frozenset[str]]) -> list[set[str]]:
    """Split every clique that holds a pair that is apart, then drop those inside another."""
    for pair in sorted(apart, key=sorted):
        one, other = sorted(pair)
        split: list[set[str]] = []
        for clique in cliques:
            split += [clique - {one}, clique - {other}] if pair <= clique else [clique]
        unique = [c for i, c in enumerate(split) if c not in split[:i]]
        cliques = [c for c in unique if not any(c < other_clique for other_clique in unique)]
    return cliques


def rank_stability(
    figures: Mapping[str, Figure], units: Resampler, higher_is_better: bool = True
) -> dict[str, dict[str, float]]:
    """Over resampled cases: how often each run is first, and its mean rank and rank interval."""
    names = list(figures)
    drawn = np.stack([units.values(figures[name]) for name in names], 1)
    signed = drawn if higher_is_better else -drawn
    ranks = 1 + (signed[:, None, :] > signed[:, :, None]).sum(2)  # ties share the better rank
    return {name: _rank_row(ranks[:, i]) for i, name in enumerate(names)}


def _rank_row(ranks: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(ranks, [0.025, 0.975])
    first = float(np.mean(ranks == 1))
    return {"first": first, "mean": float(ranks.mean()), "low": float(low), "high": float(high)}


def kendall_stability(figures: Mapping[str, Figure], units: Resampler) -> float:
    """Mean Kendall correlation of the ranking on all cases with those of resampled cases."""
    whole = np.array([float(f.of_sums(f.columns.sum(0))) for f in figures.values()])
    drawn = np.stack([units.values(figure) for figure in figures.values()], 1)
    if len(whole) < 2:
        return 1.0
    one, other = np.triu_indices(len(whole), 1)
    agree = np.sign(whole[one] - whole[other]) * np.sign(drawn[:, one] - drawn[:, other])
    return float(agree.mean())


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return difference[np.isfinite(difference)]
