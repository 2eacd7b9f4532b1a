"""A plan: independent, resumable tasks as plain data, which any place carries out alike. No torch.

out/launch/  plan.json  state-003.json (one a task)  sent.json  logs/
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segkit import __version__, paths
from segkit.engine import runfiles
from segkit.errors import SegkitError, UsageError
from segkit.recipe import fill

FOLDER, FILE = "launch", "plan.json"
# what a process must know to come to the same bits and find the same files
CARRIED = ("SEGKIT_HOME", "SEGKIT_BACKEND", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """One piece: a cell (seed and fold) of a begun run, a run of its own, a trial, or a command."""

    name: str
    folder: str  # where its results appear; a run folder, or the fold's
    seed: int | None = None
    fold: int | None = None
    trial: int | None = None  # of a search
    recipe: dict[str, Any] | None = None  # of a run of its own
    words: tuple[str, ...] | None = None  # of a command: what stands behind `segkit`


@dataclass(frozen=True)
class Plan:
    """All tasks of an experiment, and what is done with their results."""

    kind: str  # "train" | "sweep" | "reproduce" | "search" | "commands"
    on: str  # the launcher
    out: str
    tasks: list[Task]
    options: dict[str, Any] = field(default_factory=dict)  # of segkit.engine.training, all tasks
    about: dict[str, Any] = field(default_factory=dict)  # what the conclusion needs
    settings: dict[str, Any] = field(default_factory=dict)  # of the launcher
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = ""  # where the tasks run: relative paths stand in recipes
    python: str = ""
    segkit: str = __version__
    tries: int = 5  # how often one task is sent at most

    @property
    def folder(self) -> Path:
        """Where plan, states and logs are."""
        return Path(self.out) / FOLDER

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


def make(
    kind: str,
    on: str,
    out: Path,
    tasks: Sequence[Task],
    *,
    options: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> Plan:
    """A plan that runs with the settings of this process, in this directory."""
    kept = {name: os.environ[name] for name in CARRIED if name in os.environ}
    kept = {"OMP_NUM_THREADS": str(threads), "SEGKIT_HOME": str(paths.home().absolute()), **kept}
    return Plan(
        kind,
        on,
        str(out.absolute()),
        list(tasks),
        options=dict(options),
        about=dict(about or {}),
        settings=dict(settings or {}),
        environment=kept,
        directory=os.getcwd(),
        python=sys.executable,
        tries=int((settings or {}).get("tries", 1)),
    )


def write(plan: Plan) -> None:
    """Keep the plan where every place finds it."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    paths.write_json(plan.folder / FILE, asdict(plan))


def exists(out: Path) -> bool:
    """Whether an experiment was launched from this folder."""
    return (out / FOLDER / FILE).is_file()


def read(out: Path) -> Plan:
    """The plan of an experiment's folder (or of its launch folder)."""
    file = next((f for f in (out / FOLDER / FILE, out / FILE) if f.is_file()), None)
    if file is None:
        raise SegkitError(f"{out} was not launched anywhere", f"it has no {FOLDER}/{FILE}")
    content = runfiles.read_document(file, dict)
    try:
        tasks = [fill(Task, task, "task") for task in content.pop("tasks")]
        return Plan(tasks=tasks, **content)
    except (KeyError, TypeError, UsageError) as error:
        raise runfiles.damaged(file, str(error)) from error
