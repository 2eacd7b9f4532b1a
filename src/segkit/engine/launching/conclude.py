"""What is made of the results once every task is over: scores, tables, verdicts.

The last task to end does it, so that nobody has to wait for it; one does it at a time, and doing it
twice gives the same files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.data.locks import locked
from segkit.engine.launching import states
from segkit.engine.launching.plan import Plan
from segkit.engine.runs import open_run

MARK = "concluded"


def concluded(plan: Plan) -> bool:
    """Whether the results of all tasks have been put together."""
    return (plan.folder / MARK).is_file()


def conclude(plan: Plan) -> bool:
    """Put the results together if every task is over; whether they are."""
    if states.unfinished(plan):
        return False
    with locked(plan.folder / ".conclude"):
        if not concluded(plan):
            WAYS[plan.kind](plan)
            (plan.folder / MARK).touch()
    return True


def _train(plan: Plan) -> None:
    """Score the test part of a run whose cells are all there."""
    from segkit.engine.evaluating.evaluate import evaluate_run
    from segkit.engine.training import cells

    run = open_run(plan.out)
    cells.gather(run)
    there = all(fold.finished for fold in run.planned)
    if there and run.summary is None and any(fold.test for fold in run.split.folds):
        evaluate_run(run, device=str(plan.options.get("device", "auto")))


def _sweep(plan: Plan) -> None:
    table(plan)


def table(plan: Plan) -> list[dict[str, Any]]:
    """A sweep's table and plot of what is there by now."""
    from segkit.engine.experiments import sweep
    from segkit.engine.experiments.studies import SweepPoint

    points = [SweepPoint(**point) for point in plan.about["points"]]
    reasons = states.failures(plan)
    failed = {points[number].label: reason for number, reason in reasons.items()}
    return sweep.write(Path(plan.out), points, plan.about["show"], failed)


def _reproduce(plan: Plan) -> None:
    """The verdict on a published row."""
    from segkit.engine.experiments import reproduce, reproduction_cards
    from segkit.recipe import from_dict

    _train(plan)
    run = open_run(plan.out)
    if not all(fold.finished for fold in run.planned):
        return
    _, card, printed = reproduction_cards.read(plan.about["card"])
    results = [fold.result or {} for fold in run.planned]
    seconds = sum(float(result.get("seconds", 0.0)) for result in results)
    full = from_dict(plan.about["full"])
    reproduce.conclude(Path(plan.out), card, printed, full, seconds)


def _search(plan: Plan) -> None:
    from segkit.engine.experiments import trials

    trials.collect(Path(plan.out))


def _nothing(plan: Plan) -> None:
    """A plan of commands has nothing to put together: each writes its own results."""


WAYS = {
    "train": _train,
    "sweep": _sweep,
    "reproduce": _reproduce,
    "commands": _nothing,
    "search": _search,
}
