"""Assigns pictures to bins of given capacity: groups stay together, strata are spread evenly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np


def shuffled(ids: Sequence[str], seed: int) -> list[str]:
    """The ids in the order of numpy's RandomState(seed).permutation, a stream that never
    changes.
    """
    order = np.random.RandomState(seed).permutation(len(ids))
    return [ids[index] for index in order]


def assign(
    ids: Sequence[str],
    capacities: Sequence[int],
    *,
    strata: Mapping[str, Hashable],
    groups: Mapping[str, str],
    seed: int,
) -> list[list[str]]:
    """Ids into bins; large groups first, then single pictures stratum by stratum; exact unless
    groups forbid.
    """
    units = _units(shuffled(sorted(ids), seed), groups, strata)
    state = _Bins(capacities)
    for unit in units:
        state.put(unit, strata.get(unit[0]))
    return [sorted(bin_) for bin_ in state.bins]


def _units(
    ids: Sequence[str], groups: Mapping[str, str], strata: Mapping[str, Hashable]
) -> list[list[str]]:
    """Groups of pictures, the largest first; single pictures sorted by stratum, otherwise in the
    given order.
    """
    together: dict[str, list[str]] = {}
    for name in ids:
        together.setdefault(groups.get(name) or f"\0{name}", []).append(name)
    units = list(together.values())
    return sorted(units, key=lambda unit: (-len(unit), str(strata.get(unit[0]))))


class _Bins:
    """Bins that fill up in step, overall and within each stratum."""

    def __init__(self, capacities: Sequence[int]):
        self.capacities = list(capacities)
        self.bins: list[list[str]] = [[] for _ in capacities]
        self.by_stratum: dict[tuple[int, Hashable], int] = {}

    def put(self, unit: list[str], stratum: Hashable) -> None:
        """Into the bin that has had least of this stratum and still has room."""
        open_bins = [k for k, cap in enumerate(self.capacities) if cap > 0]
        fits = [k for k in open_bins if len(self.bins[k]) + len(unit) <= self.capacities[k]]
        if fits:
            best = min(fits, key=lambda k: self._rank(k, unit, stratum))
        else:  # a group larger than any room left: where most room is
            best = max(open_bins, key=lambda k: (self.capacities[k] - len(self.bins[k]), -k))
        self.bins[best] += unit
        key = (best, stratum)
        self.by_stratum[key] = self.by_stratum.get(key, 0) + len(unit)

    def _rank(self, k: int, unit: list[str], stratum: Hashable) -> tuple[float, float, int]:
        capacity = self.capacities[k]
        share = (self.by_stratum.get((k, stratum), 0) + len(unit)) / capacity
        return share, (len(self.bins[k]) + len(unit)) / capacity, k


def spread(total: int, bins: int) -> list[int]:
    """`total` in `bins` parts that differ by one at most, the larger first."""
    return [total // bins + (index < total % bins) for index in range(bins)]


def proportional(total: int, shares: Sequence[int]) -> list[int]:
    """`total` in the proportion of `shares`, by largest remainder."""
    whole = sum(shares)
    parts = [total * share // whole for share in shares]
    order = sorted(range(len(shares)), key=lambda k: (-(total * shares[k] % whole), k))
    for k in order[: total - sum(parts)]:
        parts[k] += 1
    return parts
