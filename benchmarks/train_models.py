"""The trained networks of docs/models.md, from the archives to the table, in one resumable script.

    OMP_NUM_THREADS=1 python -m benchmarks.train_models --archives ~/Downloads   # all of it
    python -m benchmarks.train_models --plan                  # what would be run, and what is there
    python -m benchmarks.train_models --only skin-tiny        # these runs
    python -m benchmarks.train_models --table-only --runs DIR # score and tabulate what is there

Datasets that are not here are taken from the folder of archives. Every run is one `segkit` command
in a process of its own; a finished one is skipped, a stopped one goes on, one that another process
trains is left alone. Then every run with a checkpoint is scored on its test part (an unfinished
one in a copy, with the epochs that it had), and benchmarks/models.json and docs/models.md are
written. Runs in the folder that are not in the plan are tabulated too, by their task's name.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.data import sources
from segkit.engine.runs import open_run

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Planned:
    """One run: a candidate of a task with a seed."""

    task: str
    label: str
    seed: int
    data: str
    words: tuple[str, ...]  # behind `segkit`, but for --out and --resume

    @property
    def name(self) -> str:
        return f"{self.task}-{self.label}-s{self.seed}"


def read_plan(file: Path) -> list[dict[str, Any]]:
    """The tasks of a plan."""
    return list(tomllib.loads(file.read_text(encoding="utf-8"))["task"])


def planned(tasks: list[dict[str, Any]]) -> list[Planned]:
    """Every run, seed by seed over the candidates: a plan that is stopped still compares."""
    return [
        Planned(task["name"], one["label"], seed, task["data"], _words(task, one, seed))
        for task in tasks
        for seed in task["seeds"]
        for one in task["candidates"]
    ]


def _words(task: dict[str, Any], one: dict[str, Any], seed: int) -> tuple[str, ...]:
    if "teacher" in task:
        head = ["distil", task["teacher"], "--to", one["network"]]
    else:
        head = ["train", one["network"], "--recipe", task["recipe"]]
    more = shlex.split(f"{task.get('words', '')} {one.get('words', '')}")
    return (*head, "--data", task["data"], *more, "--seed", str(seed))


def fetch(data: str, archives: Path | None) -> None:
    """Take a dataset from the folder of archives, if it is not here yet."""
    if sources.is_builtin(data) or sources.source(data) is not None:
        return
    if archives is None:
        sys.exit(f"{data} is not on this machine: name the folder of its archives by --archives")
    _segkit(["data", "fetch", data, "--from", str(archives)])


def carry_out(run: Planned, root: Path, device: str) -> None:
    """Train one run, on from where it stopped."""
    folder = root / run.name
    begun = (folder / "recipe.json").is_file()
    if begun and open_run(folder).state in ("done", "trained"):
        return
    if begun and open_run(folder).training_now:
        print(f"{folder} is being trained by another process: left alone", flush=True)
        return
    words = [*run.words, "--device", device, "--save-minutes", "5", "--out", str(folder)]
    _segkit([*words, *(["--resume"] if begun else [])])


def _segkit(words: list[str]) -> None:
    print("segkit " + shlex.join(words), flush=True)
    done = subprocess.run([sys.executable, "-m", "segkit", *words], cwd=HERE.parent)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan-file", type=Path, default=HERE / "models.toml")
    parser.add_argument("--runs", type=Path, default=Path("runs/models"))
    parser.add_argument("--archives", type=Path)
    parser.add_argument("--only", nargs="*", help="names of runs, or of tasks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plan", action="store_true", help="only say what would be run")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    parser.add_argument(
        "--no-gains", action="store_true", help="no test-time augmentation: it takes minutes"
    )
    asked = parser.parse_args()
    tasks = read_plan(asked.plan_file)
    wanted = [
        run for run in planned(tasks) if not asked.only or {run.name, run.task} & set(asked.only)
    ]
    for run in wanted if asked.plan else []:
        folder = asked.runs / run.name
        state = open_run(folder).state if (folder / "recipe.json").is_file() else "not begun"
        print(f"{run.name}: {state}: segkit {shlex.join(run.words)}")
    if asked.plan:
        return
    for run in wanted if not asked.table_only else []:
        fetch(run.data, asked.archives)
        carry_out(run, asked.runs, asked.device)
    from benchmarks import models_page, models_table

    names = [run.name for run in planned(tasks)]
    models_table.write(tasks, asked.runs, names, not asked.no_gains)
    models_page.write()


if __name__ == "__main__":
    main()
