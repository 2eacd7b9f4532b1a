"""The interval of a difference between two runs that holds for other trainings of both too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from segkit.metrics.intervals import Figure, Resampler
from segkit.metrics.statistics import difference_figure
from segkit.metrics.trainings import Spread, Trainings, interval

Columns = Mapping[str, np.ndarray]
Reduce = Callable[[Columns], Figure]  # the rows of a table as a figure over the compared pictures


def of_difference(
    one: Columns, other: Columns, reduce: Reduce, draws: Resampler
) -> dict[str, Any] | None:
    """`{"ci95", "unit", "trainings"}`, or None where a run was trained once.

    A seed of one run has nothing to do with that of the other: each adds its own spread. A fold is
    the same pictures for both: what counts is how far the difference moves from fold to fold.
    """
    first, second = (Trainings.of(table) for table in (one, other))
    if first is None or second is None or first.unit != second.unit:
        return None
    figures = [_by_training(one, first, reduce), _by_training(other, second, reduce)]
    unit = first.unit
    if unit == "seed":
        spreads = [Spread.of(list(found.values()), draws) for found in figures]
    elif set(figures[0]) == set(figures[1]):
        paired = [difference_figure(figures[0][fold], figures[1][fold]) for fold in figures[0]]
        spreads = [Spread.of(paired, draws, unit)]
    else:
        return None
    low, high = interval(difference_figure(reduce(one), reduce(other)), spreads, draws)
    ends = [low, high] if np.isfinite(low) else None
    return {"ci95": ends, "unit": unit, "trainings": [len(found) for found in figures]}


def _by_training(table: Columns, own: Trainings, reduce: Reduce) -> dict[Any, Figure]:
    return {
        name: reduce({column: values[own.labels == name] for column, values in table.items()})
        for name in own.names
    }
