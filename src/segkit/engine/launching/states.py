"""What each task says of itself, in a small file that only it writes. No torch.

The place (SLURM's queue, Ray's driver) says whether somebody is at it; the file says how far it is.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine.launching.plan import Plan, Task
from segkit.engine.runs import FoldDir
from segkit.events import TaskRow

WAITING, RUNNING, STOPPED, DONE, FAILED = "waiting", "running", "stopped", "done", "failed"
OVER = (DONE, FAILED)
KEPT = ("tries", "started", "host", "pid", "job", "wall", "cpu", "processor")


def file_of(plan: Plan, number: int) -> Path:
    """The file in which a task says how far it is."""
    return plan.folder / f"state-{number:03d}.json"


def read(plan: Plan, number: int) -> dict[str, Any]:
    """What the task said last; nothing before it began."""
    file = file_of(plan, number)
    return paths.read_json(file) if file.is_file() else {"state": WAITING, "tries": 0}


def say(plan: Plan, number: int, state: str, **more: Any) -> None:
    """Write the state of a task whole."""
    before = read(plan, number)
    kept = {key: before[key] for key in KEPT if key in before}
    paths.write_json(file_of(plan, number), {**kept, **more, "state": state, "at": time.time()})


def begin(plan: Plan, number: int) -> None:
    """A process has taken the task."""
    tries = int(read(plan, number).get("tries", 0)) + 1
    job = os.environ.get("SLURM_JOB_ID") or os.environ.get("SEGKIT_RAY_TASK")
    facts = {"host": platform.node(), "pid": os.getpid(), "started": time.time(), "job": job}
    say(plan, number, RUNNING, tries=tries, **facts)


def spend(plan: Plan, number: int, wall: float) -> None:
    """What this try has cost is added to what the others had (a killed one could not say)."""
    before, times = read(plan, number), os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    total = {"wall": before.get("wall", 0.0) + wall, "cpu": before.get("cpu", 0.0) + cpu}
    about = {key: before[key] for key in ("reason",) if key in before}
    say(
        plan,
        number,
        before["state"],
        **total,
        **about,
        processor=platform.processor() or platform.machine(),
    )


def unfinished(plan: Plan) -> list[int]:
    """The tasks that are neither done nor refused."""
    return [n for n in range(len(plan.tasks)) if read(plan, n)["state"] not in OVER]


def failures(plan: Plan) -> dict[int, str]:
    """The tasks that ended in an error, with its first line."""
    known = {n: read(plan, n) for n in range(len(plan.tasks))}
    return {n: str(s.get("reason", "")) for n, s in known.items() if s["state"] == FAILED}


def forget_failures(plan: Plan) -> None:
    """`--resume`: what failed is tried again."""
    for number in failures(plan):
        say(plan, number, WAITING, tries=0)


def rows(plan: Plan, alive: dict[int, str]) -> list[TaskRow]:
    """Every task: its own word, corrected by what the place knows."""
    return [_row(plan, number, task, alive) for number, task in enumerate(plan.tasks)]


def _row(plan: Plan, number: int, task: Task, alive: dict[int, str]) -> TaskRow:
    said = read(plan, number)
    state = str(said["state"])
    if state not in OVER:
        state = alive.get(number, "dead" if said["tries"] else WAITING)
    epochs, score = progress(task)
    host, reason = str(said.get("host", "")), str(said.get("reason", ""))
    return TaskRow(number, task.name, state, epochs, score, host, int(said["tries"]), reason)


def progress(task: Task) -> tuple[int, float | None]:
    """Epochs so far and the best validation figure, read from `metrics.csv`."""
    root = Path(task.folder)
    folders = [root] if (root / "metrics.csv").is_file() else sorted(root.rglob("fold[0-9]*"))
    histories = [FoldDir(path, 0, 0).history() for path in folders]
    figures = [row["val_dice_image"] for rows in histories for row in rows]
    known = [value for value in figures if value == value]
    return sum(map(len, histories)), max(known, default=None)
