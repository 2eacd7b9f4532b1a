"""Sending a plan, and following it until every task is over; what dies is sent again."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from segkit import plugins
from segkit.api import Launcher, resolve
from segkit.engine.launching import conclude, settings, states
from segkit.engine.launching import plan as plans
from segkit.engine.launching.plan import Plan
from segkit.errors import MissingExtra, UsageError
from segkit.events import Event, Note, TaskRow

PAUSE = 3.0  # seconds between two looks
PATIENCE = 3  # looks in a row that must miss a task before it is sent again


def launcher(name: str) -> Launcher:
    """The launcher of a name, with its packages looked up."""
    found: Launcher = plugins.get("launchers", name)
    for module in found.requires:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, found.extra or name, f"--on {name}")
    return found


def place(plan: Plan) -> Any:
    """The object that sends a plan's tasks."""
    return resolve(launcher(plan.on).make)()


def cluster(name: str, file: Path | None) -> tuple[dict[str, Any], str]:
    """The settings of a launcher as plain data, and where they are from."""
    made, said = settings.read(name, launcher(name).settings, file)
    return dataclasses.asdict(made), said


def send(plan: Plan) -> list[int]:
    """Send every task that is neither over nor on its way; their numbers."""
    there = place(plan)
    alive = there.alive(plan)
    numbers = [number for number in states.unfinished(plan) if number not in alive]
    if numbers:
        (plan.folder / conclude.MARK).unlink(missing_ok=True)
        there.send(plan, numbers)
    return numbers


def renew(plan: Plan, resume: bool) -> Plan:
    """Write a plan, or take up the one that is there (`--resume`), its failed tasks too."""
    if not plans.exists(Path(plan.out)):
        plans.write(plan)
        return plan
    if not resume:
        raise UsageError(
            f"{plan.out} was launched already", None, "Go on with --resume, or change --out."
        )
    before = plans.read(Path(plan.out))
    if [task.name for task in before.tasks] != [task.name for task in plan.tasks]:
        raise UsageError(f"{plan.out} was launched with other tasks", None, "Change --out.")
    states.forget_failures(before)
    plans.write(plan)
    return plan


@dataclasses.dataclass(frozen=True)
class TasksSeen(Event):
    """One look at all tasks of a plan."""

    kind = "tasks"
    rows: list[TaskRow]


def watch(plan: Plan, pause: float = PAUSE) -> Iterator[Event]:
    """What is seen of a plan until it is over: all tasks at every look, and what is done."""
    there = place(plan)
    missed: dict[int, int] = {}
    while True:
        rows = states.rows(plan, there.alive(plan))
        yield TasksSeen(rows)
        if all(row.state in states.OVER for row in rows):
            break
        dead = _dead(rows, missed)
        given_up = [n for n in dead if states.read(plan, n)["tries"] >= plan.tries]
        for number in given_up:
            states.say(plan, number, states.FAILED, reason=f"it died {plan.tries} times")
        again = [number for number in dead if number not in given_up]
        if again:
            names = ", ".join(plan.tasks[number].name for number in again)
            yield Note(f"died and sent again: {names}")
            there.send(plan, again)
        time.sleep(pause)
    conclude.conclude(plan)


def _dead(rows: Sequence[TaskRow], missed: dict[int, int]) -> list[int]:
    """What no place knows, seen several times in a row: queues need a moment to show a job."""
    lost = {row.number for row in rows if row.state in ("dead", states.WAITING)}
    for number in list(missed):
        if number not in lost:
            del missed[number]
    for number in lost:
        missed[number] = missed.get(number, 0) + 1
    dead = sorted(number for number in lost if missed[number] >= PATIENCE)
    for number in dead:
        del missed[number]
    return dead
