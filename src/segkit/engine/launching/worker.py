"""`python -m segkit.engine.launching.worker OUT NUMBER`: one task of a plan, wherever it runs.

Every place starts this same command, so the results do not depend on the place. It goes on where a
former try stopped, and leaves with 0 (done), 1 or 2 (refused: no new try), or 128 + signal (stopped
with its state saved: to be sent again).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segkit.engine import lifeline
from segkit.engine.launching import plan as plans
from segkit.engine.launching import states
from segkit.engine.launching.plan import Plan, Task
from segkit.errors import SegkitError
from segkit.events import EpochDone, Event
from segkit.words import shown

TAKEN = 120.0  # seconds that a dead predecessor's lock may live on (NFS keeps it for its lease)
PAUSE = 2.0


def main(words: list[str] | None = None) -> int:
    """Carry one task out; the exit code says what the place is to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("number", type=int)
    parser.add_argument("--parent", type=int, help="end when this process does")
    asked = parser.parse_args(words)
    plan = plans.read(asked.out)
    _prepare(plan, asked.parent)
    if states.read(plan, asked.number)["state"] == states.DONE:
        return 0
    states.begin(plan, asked.number)
    begun = time.monotonic()
    code = _carried_out(plan, asked.number)
    states.spend(plan, asked.number, time.monotonic() - begun)
    if code == 0:
        states.say(plan, asked.number, states.DONE)
        from segkit.engine.launching.conclude import conclude

        conclude(plan)
    return code


def _prepare(plan: Plan, parent: int | None) -> None:
    """The directory, variables and signals of the plan, before anything heavy is imported."""
    os.environ.update(plan.environment)
    os.chdir(plan.directory)
    signal.signal(signal.SIGUSR2, _soon)  # SLURM, some seconds before the time limit
    if parent is not None:
        lifeline.follow(parent)


def _soon(number: int, frame: Any) -> None:
    """Stop as on a signal when the time limit is near, so that the state is saved."""
    signal.raise_signal(signal.SIGTERM)


def _carried_out(plan: Plan, number: int) -> int:
    try:
        for event in _events(plan, plan.tasks[number]):
            _print(event)
    except SegkitError as error:
        sys.stderr.write(f"error: {shown(error.as_text())}\n")
        state = states.STOPPED if error.exit_code > 128 else states.FAILED
        states.say(plan, number, state, reason=error.as_text().splitlines()[0])
        return error.exit_code
    return 0


def _print(event: Event) -> None:
    """The log of a task: what `segkit train` says when piped, in short."""
    if isinstance(event, EpochDone):
        dice = f", val dice {event.val['dice_image']:.4f}" if event.val else ""
        print(f"fold {event.fold} epoch {event.epoch}: loss {event.loss:.4f}{dice}", flush=True)
    elif event.kind in ("note", "warning"):
        print(shown(event["text"]), flush=True)


def _events(plan: Plan, task: Task) -> Iterator[Event]:
    """The events of a task, waiting for the lock of a predecessor that has just died."""
    begun = time.monotonic()
    while True:
        try:
            yield from _work(plan, task)
            return
        except SegkitError as error:
            taken = "is being trained already" in error.what
            if not taken or time.monotonic() - begun > TAKEN:
                raise
            time.sleep(PAUSE)


def _work(plan: Plan, task: Task) -> Iterator[Event]:
    if task.words is not None:
        _command(plan, task)
        return
    from segkit.engine.training import cells, crossval
    from segkit.recipe import from_dict

    options = crossval.TrainingOptions(**plan.options)
    if task.fold is not None and task.seed is not None:
        yield from cells.train_cell(Path(plan.out), task.seed, task.fold, options)
        return
    if task.trial is not None:
        from segkit.engine.experiments import trials

        yield from trials.run_trial(Path(plan.out), task.trial, options)
        return
    folder = Path(task.folder)
    started = (folder / "recipe.json").is_file()
    own = crossval.TrainingOptions(**{**plan.options, "resume": started})
    yield from crossval.train(from_dict(task.recipe or {}), folder, own)


def _command(plan: Plan, task: Task) -> None:
    """`segkit WORDS`, with --resume if it has begun; a signal to us reaches it."""
    assert task.words is not None
    begun = (Path(task.folder) / "recipe.json").is_file()
    words = [*task.words, *(["--resume"] if begun else [])]
    with subprocess.Popen(lifeline.command(words)) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    if code == 0:
        return
    error = SegkitError(f"segkit {task.words[0]} ended with exit code {code}")
    error.exit_code = 128 - code if code < 0 else code
    raise error


if __name__ == "__main__":
    sys.exit(main())
