"""Truths to doubt: the network, which never saw them, is sure, and they contradict it.

Suspicion is the Dice that the probabilities expect less the Dice that was scored, on pictures that
the scoring network was not trained on. A suspicious truth is no wrong truth: a person looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segkit.data.splitting.splits import save_split
from segkit.data.splitting.types import Fold, Split
from segkit.engine.evaluating.cases_csv import read_run_cases
from segkit.engine.runs import Run, open_run
from segkit.errors import SegkitError, UsageError

LEAST = 0.3  # of suspicion, from where a picture is listed
SURE = 0.7  # of the expected Dice: a network that is not sure contradicts nobody


def study(run: Path | str) -> dict[str, Any]:
    """All scored pictures, most suspicious first."""
    opened = open_run(run)
    columns = read_run_cases(opened.folds)
    if "expected_dice" not in columns:
        raise SegkitError(
            f"{run} was scored by an older segkit",
            "its cases say nothing of the expected Dice",
            f"Run: segkit evaluate {run}",
        )
    rows = suspicion(columns)
    return {"run": str(run), "scored": len(rows), "least": LEAST, "found": doubted(rows)}


def doubted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that contradict a network which is sure."""
    return [row for row in rows if row["suspicion"] >= LEAST and row["expected_dice"] >= SURE]


def suspicion(columns: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Expected less scored Dice of each picture, averaged where several networks scored it."""
    gathered: dict[str, list[tuple[float, float]]] = {}
    triples = zip(columns["id"], columns["expected_dice"], columns["dice"], strict=True)
    for name, expected, dice in triples:
        gathered.setdefault(str(name), []).append((float(expected), float(dice)))
    rows = []
    for name, values in gathered.items():
        expected, dice = np.mean(values, axis=0)
        row = {"id": name, "expected_dice": float(expected), "dice": float(dice)}
        rows.append({**row, "suspicion": float(expected - dice)})
    return sorted(rows, key=lambda row: (-row["suspicion"], row["id"]))


def without(run: Run | Path | str, excluded: Sequence[str], out: Path) -> Path:
    """The run's split without some pictures, in every part, as a file for --split-file."""
    split = (run if isinstance(run, Run) else open_run(run)).split
    gone = set(excluded)
    known = {name for fold in split.folds for part in _parts(fold) for name in part}
    strange = sorted(gone - known)
    if strange:
        raise UsageError(f"the split has no picture '{strange[0]}'")
    save_split(_left(split, gone), out)
    return out


def _left(split: Split, gone: set[str]) -> Split:
    folds = [
        Fold(*(tuple(name for name in part if name not in gone) for part in _parts(fold)))
        for fold in split.folds
    ]
    note = f"without {len(gone)} pictures whose truth was doubted: {', '.join(sorted(gone))}"
    return replace(split, folds=tuple(folds), notes=(*split.notes, note), hash="")


def _parts(fold: Fold) -> tuple[tuple[str, ...], ...]:
    return fold.train, fold.val, fold.test
