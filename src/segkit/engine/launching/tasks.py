"""The tasks of each kind of experiment, and everything that is done before any of them begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segkit.engine.experiments import reproduce, reproduction_cards, search
from segkit.engine.experiments import sweep as sweeping
from segkit.engine.experiments.reproduce import Order
from segkit.engine.experiments.studies import SweepPoint
from segkit.engine.launching import plan as plans
from segkit.engine.launching.plan import Plan, Task
from segkit.engine.runs import fold_dir
from segkit.engine.training import cells, crossval
from segkit.engine.training.crossval import TrainingOptions
from segkit.errors import UsageError
from segkit.recipe import Recipe, to_dict

Say = Callable[[str], None]
FOREIGN = ("folds", "resume", "prepare_progress", "find_batch", "fold_jobs")  # not of a task


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a plan goes: the launcher, its settings, and the threads of a task."""

    on: str
    settings: Mapping[str, Any]
    threads: int


def kept(options: TrainingOptions, place: Place) -> dict[str, Any]:
    """The options that every task needs, as plain data."""
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    cache = place.settings.get("cache") or None
    return {k: v for k, v in values.items() if k not in FOREIGN} | {"cache": cache}


def of_run(
    recipe: Recipe,
    out: Path,
    options: TrainingOptions,
    place: Place,
    say: Say,
    kind: str = "train",
    about: Mapping[str, Any] | None = None,
) -> Plan:
    """A task for each fold of each seed; the run folder is begun."""
    out = out.absolute()
    run = cells.begin(recipe, out, options, say, place.threads)
    pairs = cells.cells(run)
    many = len({seed for seed, _ in pairs}) > 1
    tasks = [
        Task(
            f"seed{seed}/fold{fold}" if many else f"fold{fold}",
            str(fold_dir(out, fold, seed, many).path),
            seed=seed,
            fold=fold,
        )
        for seed, fold in pairs
    ]
    given: dict[str, Any] = {"options": kept(options, place), "about": about}
    given["settings"] = place.settings
    return plans.make(kind, place.on, out, tasks, threads=place.threads, **given)


def of_sweep(
    points: Sequence[tuple[SweepPoint, Recipe]],
    out: Path,
    options: TrainingOptions,
    place: Place,
    say: Say,
    show: str = "dice_image",
) -> Plan:
    """A task for each point, which is a run of its own; their sets are prepared."""
    out = out.absolute()
    sweeping.check(points, out, options.resume)
    sweeping.write(out, [point for point, _ in points], show, {})
    for data in {str(recipe.data): recipe for _, recipe in points}.values():
        crossval.prepared_set(data, options, say)
    tasks = [
        Task(point.label, str(out / point.folder), recipe=to_dict(recipe))
        for point, recipe in points
    ]
    about = {"show": show, "points": [vars(point) for point, _ in points]}
    given: dict[str, Any] = {"options": kept(options, place), "about": about}
    given["settings"] = place.settings
    return plans.make("sweep", place.on, out, tasks, threads=place.threads, **given)


def of_search(out: Path, options: TrainingOptions, place: Place) -> Plan:
    """A task for each trial of a search that is begun."""
    out = out.absolute()
    _, _, count = search.read(out)
    listed = [
        Task(f"trial {number}", str(search.folder_of(out, number)), trial=number)
        for number in range(count)
    ]
    given: dict[str, Any] = {"options": kept(options, place), "settings": place.settings}
    return plans.make("search", place.on, out, listed, threads=place.threads, **given)


def of_card(order: Order, place: Place, say: Say) -> Plan:
    """A task for each fold of a published row."""
    if order.budget is not None:
        raise UsageError(
            f"--budget does not go with --on {place.on}",
            "how many epochs fit is measured on the machine that trains",
            "Give --epochs.",
        )
    architecture, card, _ = reproduction_cards.read(order.card)
    asked = reproduce.request_of(architecture, card, order)
    for text in asked.notes:
        say(text)
    full = to_dict(reproduce.full_recipe(architecture, card, order))
    about = {"card": order.card, "full": full}
    return of_run(asked.recipe, order.out, order.options, place, say, "reproduce", about)


def of_commands(
    commands: Sequence[tuple[str, Path, Sequence[str]]], out: Path, place: Place
) -> Plan:
    """A task for each `segkit` command: its name, its run folder, its words."""
    tasks = [Task(name, str(folder), words=tuple(words)) for name, folder, words in commands]
    return plans.make(
        "commands",
        place.on,
        out,
        tasks,
        options={},
        settings=place.settings,
        threads=place.threads,
    )
