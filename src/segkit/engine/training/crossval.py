"""A training run: prepare, split, train every fold of every seed, score the test parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.data.nearby import nearby
from segkit.data.preparing.prepare import ensure_prepared
from segkit.data.splitting.splits import Split, split_for
from segkit.data.store import PreparedSet, open_prepared
from segkit.engine import distributed, environment, group, registration
from segkit.engine.predicting.segmenter import pick_device
from segkit.engine.runs import Run, fold_dir, open_run, write_run
from segkit.engine.teaching import teacher
from segkit.engine.training import batchsize, checkpoint, guards, parallel, precision
from segkit.engine.training.fold import FoldJob
from segkit.engine.training.guards import Stop
from segkit.engine.training.ownership import sole_writer
from segkit.errors import SegkitError, UsageError
from segkit.events import Done, Event, Note, Started
from segkit.recipe import Recipe, to_dict

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainingOptions:
    """How a recipe is carried out; nothing here changes a result."""

    folds: Sequence[int] | None = None  # only these; all without
    seeds: int = 1
    device: str = "auto"
    resume: bool = False
    fold_jobs: int = 1  # folds side by side; 0 finds how many fit
    save_minutes: float | None = None
    workers: int = 1
    loggers: Sequence[str] = ()
    strict: bool = False
    tf32: bool = True
    command: str = ""
    score: bool = True  # score the test part at the end
    find_batch: bool = False  # take the largest batch that fits
    cache: str | None = None  # folder on a disk of this machine: train from a copy there
    register: str = ""  # a hypothesis, fixed before the first step
    least: float = 0.01  # the smallest difference of interest that goes with it
    prepare_progress: Any = None  # a ticker for the preparation


def train(
    recipe: Recipe, out: Path | str, options: TrainingOptions = TrainingOptions()
) -> Iterator[Event]:
    """Train a recipe into the run folder `out`, yielding events; the last one is "done"."""
    device = distributed.join(options.device) or pick_device(options.device)
    precision.use_tf32(options.tf32)
    try:
        yield from _train(recipe, Path(out), options, device)
    finally:
        distributed.leave()


def _train(
    recipe: Recipe, out: Path, options: TrainingOptions, device: torch.device
) -> Iterator[Event]:
    messages = list(filter(None, [group.alone_note()]))
    prepared = prepared_set(recipe, options, messages.append)
    recipe = fit_classes(teacher.identified(recipe), prepared, messages.append)
    if options.find_batch:
        recipe = _fit_batch(recipe, prepared, out, options, device, messages.append)
    with ExitStack() as held:
        run, split = _begin(recipe, prepared, out, options, device, held)
        yield from _carry_out(run, split, prepared, options, device, messages)


def _carry_out(
    run: Run,
    split: Split,
    prepared: PreparedSet,
    options: TrainingOptions,
    device: torch.device,
    messages: Sequence[str],
) -> Iterator[Event]:
    """Train what is not finished, then score."""
    recipe, out = run.recipe, run.path
    yield from (Note(text) for text in [*messages, *split.notes])
    jobs = jobs_of(run, split, prepared.root, options, device)
    waiting = [job for job in jobs if not (options.resume and job.folder.finished)]
    yield Started(
        run=str(out),
        architecture=recipe.architecture,
        data=prepared.name,
        folds=[[job.seed, job.folder.index] for job in jobs],
        finished=len(jobs) - len(waiting),
        device=environment.device_name(device),
        selection=recipe.train.select_on,
    )
    trackers = environment.open_loggers(options.loggers, run) if distributed.is_main() else []
    with environment.closing_all(trackers):
        for event in events_of(waiting, options, device):
            for tracker in trackers:
                tracker.log(event)
            yield event
        if _scorable(run, options):
            yield Note("scoring the test part")
        done = Done(str(out), _score(run, options))
        for tracker in trackers:
            tracker.log(done)
    yield done


def prepared_set(
    recipe: Recipe, options: TrainingOptions, say: Callable[[str], None]
) -> PreparedSet:
    """The prepared set; one process makes it, the others wait."""
    ticker = options.prepare_progress

    def tell(text: str) -> None:
        say(text)
        if ticker:
            ticker.describe(text)

    if distributed.is_main():
        ensure_prepared(recipe.data.name, recipe.data, None, ticker, tell)
    distributed.wait()
    return open_prepared(ensure_prepared(recipe.data.name, recipe.data))


def fit_classes(
    recipe: Recipe, prepared: PreparedSet, say: Callable[[str], None] = lambda text: None
) -> Recipe:
    """As many logits as the set has classes; one or two for a binary set, as the network has it."""
    have, need = recipe.model.get("num_classes", 1), len(prepared.classes)
    weights = recipe.loss.class_weights
    if weights and len(weights) != need:
        raise UsageError(
            f"loss.class_weights has {len(weights)} items", f"{prepared.name} has {need} classes"
        )
    if (need == 2 and have in (1, 2)) or have == need:
        return recipe
    if have not in (1, 2):
        raise UsageError(
            f"model.num_classes is {have}",
            f"{prepared.name} has {need} classes: {', '.join(prepared.classes)}",
            f"Leave model.num_classes out, or --set model.num_classes={need}.",
        )
    say(f"{prepared.name} has {need} classes: the network gets {need} logits")
    return dataclasses.replace(recipe, model={**recipe.model, "num_classes": need})


def _fit_batch(
    recipe: Recipe,
    prepared: PreparedSet,
    out: Path,
    options: TrainingOptions,
    device: torch.device,
    say: Callable[[str], None],
) -> Recipe:
    """`--batch auto`: the largest that fits; a resumed run keeps the one it found."""
    if options.resume and (out / "recipe.json").is_file():
        return batchsize.with_batch(recipe, open_run(out).recipe.train.batch)
    found = distributed.agree(batchsize.largest_batch(recipe, device, len(prepared.ids)))
    say(f"--batch auto: {found}")
    return batchsize.with_batch(recipe, found)


def _begin(
    recipe: Recipe,
    prepared: PreparedSet,
    out: Path,
    options: TrainingOptions,
    device: torch.device,
    held: ExitStack,
) -> tuple[Run, Split]:
    """The run folder, ours alone: a new one, or the one that is resumed under the same recipe."""
    if options.resume and (out / "recipe.json").is_file():
        run = open_run(out)
        split = run.split
        recipe = selecting(recipe, split)
        checkpoint.refuse_changes(to_dict(run.recipe), to_dict(recipe))
        _refuse_other_data(run, prepared)
        environment.same_threads(run.environment.get("threads"), device)
    else:
        split = split_for(prepared, recipe.data, options.strict)
        recipe = selecting(recipe, split)
    plan = plan_of(recipe, split, options)
    teacher.check(recipe, [split.folds[i] for i in plan["folds"]], prepared.classes)
    if distributed.is_main():
        if not options.resume:
            _refuse_existing(out)
        held.enter_context(sole_writer(_folders(out, plan)))
        facts = environment.describe_environment(device, options.command, plan, options.tf32)
        written = write_run(out, recipe, card(prepared), facts, split)
        if options.register:
            registration.register(written, options.register, options.least)
    distributed.wait()
    return open_run(out), split


def plan_of(recipe: Recipe, split: Split, options: TrainingOptions) -> dict[str, list[int]]:
    """The seeds and folds that the run is to have."""
    return {"seeds": _seeds(recipe, options), "folds": _folds(split, options)}


def _folders(out: Path, plan: dict[str, list[int]]) -> list[Path]:
    many = len(plan["seeds"]) > 1
    pairs = [(seed, index) for seed in plan["seeds"] for index in plan["folds"]]
    return [fold_dir(out, index, seed, many).path for seed, index in pairs]


def selecting(recipe: Recipe, split: Split) -> Recipe:
    """A published split may choose its checkpoint on the reported part; the recipe then says so."""
    if split.selection != "test" or recipe.train.select_on == "test":
        return recipe
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, select_on="test"))


def _refuse_existing(out: Path) -> None:
    if (out / "recipe.json").exists():
        raise UsageError(
            f"{out} is a run already", None, "Go on with --resume, or choose another --out."
        )


def _refuse_other_data(run: Run, prepared: PreparedSet) -> None:
    if run.card.get("hash") != prepared.manifest.get("hash"):
        raise SegkitError(
            f"the prepared set {prepared.root} has changed since the run began",
            "its manifest has another hash",
            "Start a new run with --out.",
        )


def card(prepared: PreparedSet) -> dict[str, Any]:
    """What a run keeps of its data."""
    keys = ("name", "title", "classes", "size", "resize", "variant", "options", "licence")
    known = {key: prepared.manifest.get(key) for key in (*keys, "citation", "page", "counts")}
    more = {"count": len(prepared.ids), "hash": prepared.manifest.get("hash")}
    return {**known, **more, "root": str(prepared.root)}


def _seeds(recipe: Recipe, options: TrainingOptions) -> list[int]:
    return [recipe.train.seed + i for i in range(options.seeds)]


def _folds(split: Split, options: TrainingOptions) -> list[int]:
    there = range(len(split.folds))
    wanted = list(there if options.folds is None else options.folds)
    strangers = [index for index in wanted if index not in there]
    if strangers:
        raise UsageError(
            f"there is no fold {strangers[0]}", f"the split has folds 0 to {len(there) - 1}"
        )
    return wanted


def jobs_of(
    run: Run, split: Split, prepared: Path, options: TrainingOptions, device: torch.device
) -> list[FoldJob]:
    """What is to be trained, fold by fold of seed by seed."""
    recipe = run.recipe
    near = prepared if options.cache is None else nearby(prepared, options.cache)
    seeds, jobs = _seeds(recipe, options), []
    for seed in seeds:
        for index in _folds(split, options):
            fold = split.folds[index]
            if not fold.train:
                raise UsageError(f"fold {index} has no training pictures", f"split '{split.rule}'")
            job = FoldJob(
                recipe,
                fold_dir(run.path, index, seed, len(seeds) > 1),
                near,
                fold.train,
                fold.test if recipe.train.select_on == "test" else fold.val,
                seed,
                str(device),
                options.resume,
                options.workers,
                teacher.weights_for(recipe, fold),
            )
            jobs.append(job)
    return jobs


def events_of(
    jobs: list[FoldJob], options: TrainingOptions, device: torch.device
) -> Iterator[Event]:
    """The events of all folds, one after another or several at a time."""
    at_once = options.fold_jobs
    minutes = options.save_minutes
    save_minutes = jobs[0].recipe.train.save_minutes if minutes is None and jobs else minutes
    if at_once == 0 and len(jobs) > 1:
        at_once = batchsize.fitting_folds(jobs[0].recipe, device, len(jobs))
        yield Note(f"--fold-jobs auto: {at_once}")
    if at_once > 1 and len(jobs) > 1:
        yield from parallel.run_parallel(jobs, at_once, save_minutes)
        return
    from segkit.engine.training.loop import train_fold

    stop = Stop(save_minutes)
    with stop.listening():
        for job in jobs:
            with guards.memory_errors(job.recipe.train.batch, device):
                yield from train_fold(job, stop)


def _scorable(run: Run, options: TrainingOptions) -> bool:
    """Whether every planned fold is finished and there is something to score."""
    finished = all(fold.finished for fold in run.planned)
    return options.score and finished and any(fold.test for fold in run.split.folds)


def _score(run: Run, options: TrainingOptions) -> dict[str, Any] | None:
    """The scores of the test parts."""
    # rank 0 writes the files that this looks at: the others must not judge by what is there so far
    scorable = distributed.agree(distributed.is_main() and _scorable(run, options))
    if not (scorable and distributed.is_main()):
        return None
    from segkit.engine.evaluating.evaluate import evaluate_run

    return evaluate_run(run, device=options.device)
