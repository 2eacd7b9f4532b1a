"""A search: Optuna proposes settings, a run tries them, the validation part judges. No torch here.

out/  search.json (the plan)  search.log (Optuna's journal)  trial-003/ (a run and trial.json)
      results.json, results.md, best.json (the recipe to train with)

The test part is never looked at: no trial is scored on it. Every process reads the journal, so
trials may run at the same time on several machines; a killed one goes on with its own settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit import build, paths
from segkit.engine.experiments import studies
from segkit.engine.runfiles import read_document
from segkit.engine.training import request
from segkit.errors import MissingExtra, UsageError
from segkit.recipe import Recipe, from_dict, merge, parse_set, to_dict

if TYPE_CHECKING:
    import optuna

FILE, JOURNAL, TRIAL, BEST = "search.json", "search.log", "trial.json", "best.json"
NAME = "segkit"
RANDOM_FIRST = 5  # trials before TPE and the pruner begin to judge
NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Axis:
    """One setting and what it may be: a range, or choices."""

    key: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """As Optuna has it."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int):
            return distributions.IntDistribution(self.low, self.high, log=self.log)
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


def axes_of(grids: Sequence[str]) -> list[Axis]:
    """`key=a..b`, `key=log:a..b` (even in its logarithm) or `key=a,b,c`."""
    found = [_axis(text) for text in grids]
    keys = [axis.key for axis in found]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UsageError(f"--grid {twice.pop()} is given twice")
    return found


def _axis(text: str) -> Axis:
    match = re.fullmatch(rf"([\w.]+)=(log:)?({NUMBER})\.\.({NUMBER})", text.replace(" ", ""))
    if match is None:
        points = studies.from_grids([text])
        values = [value for point in points for value in point.settings.values()]
        kinds = (bool, int, float, str)
        if any(not isinstance(value, kinds) for value in values):
            raise UsageError(f"--grid {text!r} has lists", "a search takes numbers and words")
        return Axis(text.partition("=")[0].strip(), choices=tuple(values))
    key, log, *ends = match.groups()
    whole = all(re.fullmatch(r"[-+]?\d+", end) for end in ends)
    low, high = (int(end) if whole else float(end) for end in ends)
    if low >= high or (log and low <= 0):
        need = "log: needs a positive lower end" if log and low <= 0 else "lower end first"
        raise UsageError(f"--grid {text!r} is no range", need)
    return Axis(key, low, high, bool(log))


def settings_of(axes: Sequence[Axis], values: Mapping[str, Any], base: Recipe) -> Recipe:
    """The recipe of one trial, checked like any other."""
    settings = to_dict(base)
    for axis in axes:
        settings = merge(settings, _nested(axis.key, values[axis.key]))
    recipe = from_dict(settings)
    request.check(build.architecture(recipe.architecture), recipe)
    return recipe


def _nested(key: str, value: Any) -> dict[str, Any]:
    found = parse_set(f"{key}=0")
    inner, *path = found, *key.split(".")
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return found


# --- the files of a search ---


def begin(axes: Sequence[Axis], base: Recipe, count: int, out: Path, resume: bool) -> None:
    """Write the plan, or check that the one that is there is the same."""
    require()
    corners(axes, base)
    kept_axes = [{**vars(axis), "choices": list(axis.choices)} for axis in axes]
    plan = {"axes": kept_axes, "recipe": to_dict(base), "trials": count}
    if not (out / FILE).is_file():
        paths.write_json(out / FILE, plan)
    elif not resume:
        raise UsageError(
            f"{out} is a search already", None, "Go on with --resume, or change --out."
        )
    else:
        kept = read_document(out / FILE, dict)
        if any(kept[key] != plan[key] for key in ("axes", "recipe")):
            raise UsageError(f"{out} searches something else", None, "Choose another --out.")
        paths.write_json(out / FILE, plan)  # more trials may be wanted
    study_of(out)


def corners(axes: Sequence[Axis], base: Recipe) -> None:
    """Every choice and both ends of every range must be valid before the first trial trains."""
    first = {axis.key: axis.choices[0] if axis.choices else axis.low for axis in axes}
    for axis in axes:
        for value in axis.choices or (axis.low, axis.high):
            settings_of(axes, {**first, axis.key: value}, base)


def read(out: Path) -> tuple[list[Axis], Recipe, int]:
    """The axes, the recipe that they change, and how many trials there are to be."""
    plan = read_document(out / FILE, dict)
    axes = [Axis(**{**axis, "choices": tuple(axis["choices"])}) for axis in plan["axes"]]
    return axes, from_dict(plan["recipe"]), int(plan["trials"])


def require() -> None:
    """Optuna is an extra."""
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        raise MissingExtra("optuna", "search", "--search")


def study_of(out: Path, seed: int = 0) -> optuna.Study:
    """The study in the journal: TPE, and the median of the others as pruner."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _, base, _ = read(out)
    # its lock is a link that is made or not made, which holds on shared file systems too
    storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
    return optuna.create_study(
        study_name=NAME,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(
            seed=base.train.seed + seed, n_startup_trials=RANDOM_FIRST, constant_liar=True
        ),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=RANDOM_FIRST, n_warmup_steps=max(1, base.train.epochs // 4)
        ),
    )


def folder_of(out: Path, number: int) -> Path:
    """The run folder of a trial."""
    return out / f"trial-{number:03d}"


def facts_of(out: Path, number: int) -> dict[str, Any]:
    """What a trial has kept of itself; nothing before it began."""
    file = folder_of(out, number) / TRIAL
    return read_document(file, dict) if file.is_file() else {}
