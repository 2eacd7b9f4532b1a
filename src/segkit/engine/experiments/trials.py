"""Carrying trials out, and what a search has found: counted, judged on the validation part only."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit import paths
from segkit.data.splitting.splits import split_for
from segkit.engine.experiments import search
from segkit.engine.experiments.search import BEST, TRIAL, facts_of, folder_of
from segkit.engine.training import crossval
from segkit.engine.training.crossval import TrainingOptions
from segkit.engine.training.validate import score_of
from segkit.errors import SegkitError, UsageError
from segkit.events import EpochDone, Event, Note, PointStarted, SearchDone, Warned
from segkit.recipe import Recipe, to_dict

if TYPE_CHECKING:
    import optuna

COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"


def run_search(out: Path, options: TrainingOptions) -> Iterator[Event]:
    """All trials, one after another in this process."""
    _, _, count = search.read(out)
    for number in range(count):
        yield PointStarted(f"trial {number}", number + 1, count)
        try:
            yield from run_trial(out, number, options)
        except SegkitError as error:
            if error.exit_code > 128:
                raise
            yield Warned(f"trial {number} failed: {error.as_text()}")
    yield SearchDone(str(out), collect(out))


def refuse_test(recipe: Recipe, options: TrainingOptions, say: Any) -> None:
    """A search may not choose on the part that is reported, and needs one to choose on."""
    prepared = crossval.prepared_set(recipe, options, say)
    split = split_for(prepared, recipe.data, options.strict)
    if crossval.selecting(recipe, split).train.select_on == "test":
        raise UsageError(
            "a search never looks at the test part",
            f"the checkpoint is chosen there ({split.rule}; train.select_on)",
            "Use a split with a validation part: --split 7:3 or --folds 5.",
        )
    if not all(fold.val for fold in split.folds):
        raise UsageError("a search needs a validation part", f"{split.rule} has none")


def run_trial(out: Path, number: int, options: TrainingOptions) -> Iterator[Event]:
    """One trial: its settings, the training without scores, and the word to Optuna."""
    if facts_of(out, number).get("state") in (COMPLETE, PRUNED, FAILED):
        return
    axes, base, _ = search.read(out)
    trial = _trial(out, number, axes)
    try:
        recipe = search.settings_of(axes, trial.params, base)
        yield Note(f"trial {number}: " + _words(trial.params))
        value = yield from _train(recipe, folder_of(out, number), trial, options)
    except SegkitError as error:
        if error.exit_code <= 128:
            _tell(out, number, trial, FAILED, None, str(error.why or error.what))
        raise
    pruned = value is None
    _tell(out, number, trial, PRUNED if pruned else COMPLETE, value)
    if pruned:
        yield Note(f"trial {number} is pruned: below the median of the others at this epoch")


def _trial(out: Path, number: int, axes: list[search.Axis]) -> optuna.Trial:
    """The trial of this number: a new one, or the one that a killed process has begun."""
    import optuna

    study = search.study_of(out, seed=number)
    begun = [t for t in study.trials if t.user_attrs.get("number") == number]
    if begun:  # the object of a begun trial, which Optuna makes from its id in the storage
        trial = optuna.Trial(study, begun[-1]._trial_id)
    else:
        trial = study.ask({axis.key: axis.distribution() for axis in axes})
        trial.set_user_attr("number", number)
    facts = {"state": RUNNING, "optuna": trial.number, "params": trial.params}
    paths.write_json(folder_of(out, number) / TRIAL, facts)
    return trial


def _train(
    recipe: Recipe, folder: Path, trial: optuna.Trial, options: TrainingOptions
) -> Generator[Event, None, float | None]:
    """Train without looking at the test part; the mean over folds, or None for a pruned one."""
    started = (folder / "recipe.json").is_file()
    own = dataclasses.replace(options, resume=started, score=False, seeds=1)
    events = crossval.train(recipe, folder, own)
    for event in events:
        yield event
        # epochs of the first fold are compared with those of other trials
        if isinstance(event, EpochDone) and event.val and event.fold == _first_fold(folder):
            trial.report(score_of(event.val, recipe.train.select), event.epoch)
            if trial.should_prune():
                events.close()  # type: ignore[attr-defined]
                return None
    return _score(folder)


def _first_fold(folder: Path) -> int:
    from segkit.engine.runs import open_run

    return open_run(folder).planned[0].index


def _score(folder: Path) -> float:
    from segkit.engine.runs import open_run

    results = [fold.result or {} for fold in open_run(folder).planned]
    scores = [float(result["score"]) for result in results]
    return sum(scores) / len(scores)


def _tell(
    out: Path, number: int, trial: optuna.Trial, state: str, value: float | None, reason: str = ""
) -> None:
    """Tell Optuna first, then keep it: a process killed in between tells it again."""
    from optuna.trial import TrialState

    states = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.FAIL}
    study = search.study_of(out)
    study.tell(trial.number, value, state=states[state], skip_if_finished=True)
    facts = {**facts_of(out, number), "state": state, "value": value, "reason": reason}
    paths.write_json(folder_of(out, number) / TRIAL, facts)


# --- what came out ---


def collect(out: Path) -> list[dict[str, Any]]:
    """The table of all trials, the page, and the recipe of the best one."""
    axes, base, count = search.read(out)
    rows = [_row(out, number) for number in range(count)]
    done = [row for row in rows if row["state"] == COMPLETE]
    best = max(done, key=lambda row: row["value"], default=None)
    counts = {
        state: sum(row["state"] == state for row in rows) for state in (COMPLETE, PRUNED, FAILED)
    }
    document = {"trials": count, "counts": counts, "select": base.train.select, "best": best}
    paths.write_json(out / "results.json", {**document, "rows": rows})
    if best is not None:
        recipe = search.settings_of(axes, best["params"], base)
        # the run that is trained with it says among how many trials its settings were chosen
        settled = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, trials=count))
        paths.write_json(out / BEST, to_dict(settled))
    paths.write_text(out / "results.md", page(out, document, rows, base))
    return rows


def _row(out: Path, number: int) -> dict[str, Any]:
    facts = facts_of(out, number)
    epochs = 0
    if (folder_of(out, number) / "recipe.json").is_file():
        from segkit.engine.runs import open_run

        epochs = sum(len(fold.history()) for fold in open_run(folder_of(out, number)).folds)
    return {
        "trial": number,
        "state": facts.get("state", "waiting"),
        "value": facts.get("value"),
        "epochs": epochs,
        "params": facts.get("params", {}),
        "reason": facts.get("reason", ""),
    }


def page(out: Path, document: dict[str, Any], rows: list[dict[str, Any]], base: Recipe) -> str:
    """The search in Markdown."""
    counts, best = document["counts"], document["best"]
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    lines = [f"# A search over {document['trials']} trials of {base.architecture}", "", f"{told}."]
    if best is not None:
        lines += [
            "",
            f"The best is trial {best['trial']}, {document['select']} {best['value']:.4f} on the "
            f"validation part. It is the best of {document['trials']}, so this figure promises "
            "too much. The test part was not looked at; look at it once:",
            "",
            f"    segkit train {base.architecture} --recipe {out / BEST}",
        ]
    lines += [
        "",
        f"| trial | state | {document['select']} | epochs | settings |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -(row["value"] or 0.0)):
        value = "" if row["value"] is None else f"{row['value']:.4f}"
        cells = [str(row["trial"]), row["state"], value, str(row["epochs"]), _words(row["params"])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _words(params: dict[str, Any]) -> str:
    shown = {
        key: f"{value:.4g}" if isinstance(value, float) else value for key, value in params.items()
    }
    return ", ".join(f"{key}={value}" for key, value in shown.items())
