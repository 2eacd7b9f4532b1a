"""`segkit runs`: what there is, how far it is, what it scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli import _console as console

if TYPE_CHECKING:
    from segkit.engine.runs import Run

COLUMNS = ("run", "network", "data", "size", "state", "epochs", "figure", "score", "selection")


def command(
    roots: Annotated[
        list[Path] | None, typer.Argument(help="Folders to look in; default ./runs.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Only runs on this dataset.")] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Follow what was sent to SLURM or Ray from this folder, to its end."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """The runs there are, with state and score.

    A score is the mean test Dice over images; in brackets, the best validation figure of a run that
    is not scored yet.

    Example: segkit runs --data demo
    """
    from segkit import paths
    from segkit.engine.runs import list_runs

    if watch is not None:
        _watch(watch, json)
        return
    found = [run for root in roots or [paths.runs()] for run in list_runs(root)]
    rows = [row for row in map(describe_run, found) if data in (None, row["data"])]
    if json:
        console.emit_json(rows)
    elif not rows:
        console.note("no runs here; start one: segkit train unet --data demo")
    else:
        console.table(COLUMNS, [_cells(row) for row in rows], right=("epochs", "score"))


def _watch(folder: Path, json: bool) -> None:
    """Back to the tasks of a plan: until all are over, the dead ones sent again."""
    from segkit.cli import _launching
    from segkit.engine.launching import plan as plans

    plan = plans.read(folder)
    _launching.follow(plan, json)
    console.note(f"all tasks are over: {plan.out}")
    if _launching.failed(plan):
        raise typer.Exit(1)


def describe_run(run: Run) -> dict[str, Any]:
    """One run as plain data."""
    from segkit.errors import SegkitError

    try:
        return _facts(run)
    except SegkitError as error:
        return {"run": str(run.path), "data": None, "state": "broken", "reason": error.as_text()}


def _facts(run: Run) -> dict[str, Any]:
    from segkit.engine import registration

    recipe, state = run.recipe, run.state
    histories = [fold.history() for fold in run.folds]
    figure, score, validated = _score(run)
    return {
        "run": str(run.path),
        "architecture": recipe.architecture,
        "data": run.card.get("name"),
        "size": list(recipe.data.size),
        "state": state,
        "running": state not in ("done", "trained") and run.training_now,
        "folds": len(run.planned),
        "epochs": [len(history) for history in histories],
        "of_epochs": recipe.train.epochs,
        "figure": figure,
        "score": score,
        "validation": validated,
        "selection": run.selection,
        "registered": registration.statement(run) or None,
        "started": run.environment.get("started"),
    }


def _score(run: Run) -> tuple[str, float | None, bool]:
    """The test Dice, else the mean of the best validation figures so far."""
    if run.summary:
        return "dice_image", run.summary["metrics"]["dice_image"]["mean"], False
    rows = [[row["val_dice_image"] for row in fold.history()] for fold in run.folds]
    best = [max(v for v in values if v == v) for values in rows if any(v == v for v in values)]
    return "val_dice_image", sum(best) / len(best) if best else None, True


def _cells(row: dict[str, Any]) -> list[Any]:
    if row["state"] == "broken":
        broken, why = console.styled("broken", "red"), row["reason"].split("\n")[0]
        return [row["run"], "", "", "", broken, "", why, "", ""]
    score = "" if row["score"] is None else f"{row['score']:.4f}"
    done = sum(row["epochs"])
    return [
        row["run"],
        row["architecture"],
        str(row["data"]),
        "x".join(map(str, row["size"])),
        row["state"] + (" running" if row["running"] else ""),
        f"{done}/{row['of_epochs'] * row['folds']}",
        row["figure"],
        f"({score})" if row["validation"] and score else score,
        row["selection"],
    ]
