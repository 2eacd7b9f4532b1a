"""A run whose cells (a fold of a seed each) are trained by processes that know nothing of another.

`begin` writes everything that is known before the first step; `train_cell` adds one fold to it and
touches nothing else, on whatever machine; the scores come when all cells are there.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.data.splitting.splits import split_for
from segkit.data.store import open_prepared
from segkit.engine import environment
from segkit.engine.predicting.segmenter import pick_device
from segkit.engine.runs import Run, open_run, write_run
from segkit.engine.teaching import teacher
from segkit.engine.training import checkpoint, crossval, precision
from segkit.engine.training.crossval import TrainingOptions
from segkit.engine.training.ownership import sole_writer
from segkit.errors import SegkitError, UsageError
from segkit.events import Event
from segkit.recipe import Recipe, to_dict

WHERE = "environment.json"  # of a cell: where it was trained


def begin(
    recipe: Recipe, out: Path, options: TrainingOptions, say: Callable[[str], None], threads: int
) -> Run:
    """The run folder with its whole plan, before anybody trains; a run that is there goes on."""
    prepared = crossval.prepared_set(recipe, options, say)
    recipe = crossval.fit_classes(teacher.identified(recipe), prepared, say)
    if (out / "recipe.json").is_file():
        return _go_on(recipe, out, options)
    split = split_for(prepared, recipe.data, options.strict)
    recipe = crossval.selecting(recipe, split)
    plan = crossval.plan_of(recipe, split, options)
    teacher.check(recipe, [split.folds[i] for i in plan["folds"]], prepared.classes)
    facts = environment.describe_environment(
        pick_device("cpu"), options.command, plan, options.tf32
    )
    facts |= {"device": "", "threads": threads, "pid": None}  # of the cells: they say so themselves
    return write_run(out, recipe, crossval.card(prepared), facts, split)


def _go_on(recipe: Recipe, out: Path, options: TrainingOptions) -> Run:
    if not options.resume:
        raise UsageError(f"{out} is a run already", None, "Go on with --resume, or change --out.")
    run = open_run(out)
    checkpoint.refuse_changes(to_dict(run.recipe), to_dict(crossval.selecting(recipe, run.split)))
    return run


def cells(run: Run) -> list[tuple[int, int]]:
    """(seed, fold) of everything that the run is to have."""
    plan = run.environment["plan"]
    return [(seed, fold) for seed in plan["seeds"] for fold in plan["folds"]]


def train_cell(out: Path, seed: int, fold: int, options: TrainingOptions) -> Iterator[Event]:
    """Train one fold of a begun run, or go on with it; a finished one is left alone."""
    run = open_run(out)
    device = pick_device(options.device)
    precision.use_tf32(options.tf32)
    environment.same_threads(run.environment.get("threads"), device)
    prepared = open_prepared(run.card["root"])
    if prepared.manifest.get("hash") != run.card.get("hash"):
        raise SegkitError(f"the prepared set {prepared.root} has changed since the run began")
    plan = run.environment["plan"]
    whole = dataclasses.replace(
        options, seeds=len(plan["seeds"]), folds=plan["folds"], resume=True, fold_jobs=1
    )
    jobs = crossval.jobs_of(run, run.split, prepared.root, whole, device)
    mine = [job for job in jobs if (job.seed, job.folder.index) == (seed, fold)]
    if not mine or mine[0].folder.finished:
        return
    with sole_writer([mine[0].folder.path]):
        paths.write_json(mine[0].folder.path / WHERE, _here(environment.device_name(device)))
        yield from crossval.events_of(mine, whole, device)


def _here(device: str) -> dict[str, Any]:
    job = os.environ.get("SLURM_JOB_ID")
    return {"host": platform.node(), "pid": os.getpid(), "device": device, "slurm_job": job}


def gather(run: Run) -> None:
    """The run's own environment learns on which devices and machines its cells were trained."""
    found = [paths.read_json(f.path / WHERE) for f in run.folds if (f.path / WHERE).is_file()]
    facts = run.environment
    for key, name in (("device", "device"), ("host", "hosts")):
        if known := sorted({str(place[key]) for place in found}):
            facts[name] = ", ".join(known)
    paths.write_json(run.path / "environment.json", facts)
