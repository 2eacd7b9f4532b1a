"""What averaged weights, test-time augmentation and a longer schedule bring, picture by picture.

Each is a pair of answers to the same test pictures: mean Dice of both, their difference with a 95 %
interval over pictures, and the p of a paired permutation test. Several such pairs are looked at,
so p is corrected by Holm over the gains of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import torch

from segkit.data.preparing.prepare import ensure_prepared
from segkit.data.store import open_prepared
from segkit.engine.evaluating.cases_csv import read_run_cases
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import Run
from segkit.engine.training import checkpoint
from segkit.metrics.confusion import counts
from segkit.metrics.statistics import holm, permutation_test

RESAMPLES = 2000
BATCH = 8


def measured(
    runs: Sequence[Run], shipped: Sequence[Run], augmented: bool = True
) -> list[dict[str, Any]]:
    """Every gain that the runs allow to measure; augmentation of the shipped takes minutes."""
    modes = ("flips", "d4") if augmented else ()
    found = [_augmented(run, mode) for run in shipped for mode in modes]
    found += [
        _paired("the pupil for its teacher", teacher, run)
        for run in runs
        for teacher in shipped
        if run.recipe.distil.teacher == teacher.name
    ]
    found += [_averaged(run) for run in runs if run.recipe.optim.ema and run.fold().last.is_file()]
    found += [_longer(short, long) for short, long in permutations(runs, 2) if _same(short, long)]
    for row, p in zip(found, holm([row["p"] for row in found]), strict=True):
        row["p_holm"] = float(p)
    return found


def gain(what: str, run: Run, without: np.ndarray, with_it: np.ndarray) -> dict[str, Any]:
    """One paired difference."""
    apart = with_it - without
    draws = np.random.default_rng(0).integers(0, len(apart), (RESAMPLES, len(apart)))
    low, high = np.quantile(apart[draws].mean(1), [0.025, 0.975])
    return {
        "what": what,
        "run": run.name,
        "pictures": len(apart),
        "without": float(without.mean()),
        "with": float(with_it.mean()),
        "gain": float(apart.mean()),
        "ci95": [float(low), float(high)],
        "p": float(permutation_test(with_it, without)),
    }


def _augmented(run: Run, mode: str) -> dict[str, Any]:
    plain, more = (_dice(run, Segmenter.from_run(run, tta=tta)) for tta in ("none", mode))
    return gain(f"test-time augmentation, {mode}", run, plain, more)


def _averaged(run: Run) -> dict[str, Any]:
    """Raw against averaged weights at the end of the same epoch."""
    kept = checkpoint.load_last(run.fold().last)
    average = kept["average"].get("values", kept["average"])
    scores = [_dice(run, _with(run, state)) for state in (kept["network"], average)]
    epochs = kept["progress"]["epoch"]
    return gain(f"averaged weights, {run.recipe.optim.ema:g}, epoch {epochs}", run, *scores)


def _with(run: Run, state: dict[str, torch.Tensor]) -> Segmenter:
    network, data = run.load_model(), run.recipe.data
    network.load_state_dict(state)
    how: dict[str, Any] = {"size": data.size, "rule": data.normalise, "colour": data.colour}
    return Segmenter([network], device="cpu", classes=run.card["classes"], **how)


def _same(short: Run, long: Run) -> bool:
    """Two finished runs that differ in the number of epochs alone."""
    one, other = short.recipe, long.recipe
    alike = (one.architecture, one.model, one.data.name, one.distil, one.train.seed) == (
        other.architecture,
        other.model,
        other.data.name,
        other.distil,
        other.train.seed,
    )
    done = all(len(run.fold().history()) == run.recipe.train.epochs for run in (short, long))
    return alike and done and one.train.epochs < other.train.epochs


def _longer(short: Run, long: Run) -> dict[str, Any]:
    epochs = (run.recipe.train.epochs for run in (short, long))
    return _paired("{} to {} epochs".format(*epochs), short, long)


def _paired(what: str, short: Run, long: Run) -> dict[str, Any]:
    """Two runs on the test pictures that both have scored."""
    tables = [read_run_cases(run.folds) for run in (short, long)]
    scores = [dict(zip(table["id"], table["dice"], strict=True)) for table in tables]
    shared = sorted(set(scores[0]) & set(scores[1]))
    pair = (np.array([score[name] for name in shared]) for score in scores)
    return gain(what, long, *pair)


def _dice(run: Run, segmenter: Segmenter) -> np.ndarray:
    """Dice of every test picture, in the order of the split."""
    prepared = open_prepared(ensure_prepared(run.recipe.data.name, run.recipe.data))
    rows = sorted(prepared.index(name) for name in run.split.folds[0].test)
    parts = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        found = segmenter.masks(np.asarray(prepared.images[some])) > 0
        truth = torch.from_numpy(np.asarray(prepared.masks[some]))
        parts.append(np.asarray(counts(found, truth).dice()))
    return np.concatenate(parts)
