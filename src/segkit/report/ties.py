"""Which runs cannot be told apart: paired tests over the cases that runs on one set share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segkit.metrics.statistics import PairedComparison, compare_runs, tie_groups
from segkit.report.reading import Entry

METRIC = "dice"


@dataclass(frozen=True)
class Ties:
    """Runs on one set, compared over the pictures that all of them were scored on."""

    data: str
    shared: int
    letters: dict[str, str]  # label -> tie groups
    pairs: tuple[PairedComparison, ...]
    note: str = ""


def ties(entries: Sequence[Entry]) -> list[Ties]:
    """One comparison per dataset with at least two scored runs."""
    sets: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.cases:
            sets.setdefault(entry.data, []).append(entry)
    return [_compare(data, runs) for data, runs in sets.items() if len(runs) > 1]


def _compare(data: str, entries: Sequence[Entry]) -> Ties:
    tables = {entry.label: _per_picture(entry) for entry in entries}
    shared = sorted(set.intersection(*(set(table) for table in tables.values())))
    largest = max(len(table) for table in tables.values())
    if len(shared) < 2:
        return Ties(data, len(shared), {}, (), "These runs share no test pictures: not comparable.")
    values = {name: np.array([table[case] for case in shared]) for name, table in tables.items()}
    groups = {row["id"]: str(row.get("group") or row["id"]) for row in entries[0].cases}
    pairs = compare_runs(values, [groups[case] for case in shared])
    scores = {name: float(np.nanmean(column)) for name, column in values.items()}
    note = ""
    if len(shared) < largest:
        note = f"Compared over the {len(shared)} test pictures that all runs share."
    return Ties(data, len(shared), tie_groups(scores, pairs), tuple(pairs), note)


def _per_picture(entry: Entry) -> dict[str, float]:
    """Dice of each picture; the mean where several seeds scored it."""
    found: dict[str, list[float]] = {}
    for row in entry.cases:
        found.setdefault(row["id"], []).append(row[METRIC])
    return {name: float(np.mean(values)) for name, values in found.items()}
