"""What the candidates of the trained networks scored: runs in, benchmarks/models.json out."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import models_gains

from segkit import paths
from segkit.engine import register
from segkit.engine.evaluating.comparison import compare
from segkit.engine.evaluating.evaluate import evaluate_run
from segkit.engine.runs import Run, open_run
from segkit.metrics.published import rows_on

FILE = Path(__file__).parent / "models.json"
NAME = re.compile(r"(?P<task>[a-z0-9]+)-(?P<label>.+)-s(?P<seed>\d+)$")
ROUNDS = 9


def write(
    tasks: list[dict[str, Any]], root: Path, names: Sequence[str], with_gains: bool = True
) -> None:
    """Score what is there, compare it task by task, and keep the facts; `names`: all planned."""
    found = [_task(task, root, with_gains) for task in tasks if task["title"]]
    missing = [name for name in names if not (root / name / "recipe.json").is_file()]
    paths.write_json(FILE, {"tasks": [task for task in found if task["rows"]], "missing": missing})


def _task(task: dict[str, Any], root: Path, with_gains: bool) -> dict[str, Any]:
    runs = {path.name: run for path, run in _runs(task, root)}
    rows = [_row(name, run) for name, run in runs.items()]
    if len(rows) > 1:
        made = compare(list(runs.values()))
        letters = {item["run"]: item for item in made["runs"]}
        for row, run in zip(rows, runs.values(), strict=True):
            mine = letters[str(run.path)]
            row |= {"tie_group": mine["tie_group"], "ci95": mine["ci95"], "dice": mine["mean"]}
    rows.sort(key=lambda row: -row["dice"])
    published = [row.as_dict() for row in rows_on(task["data"])]
    names = {row["network"].replace("_", "") for row in rows}
    kept = [row for row in published if re.sub(r"\W", "", row["name"].lower()) in names]
    shipped = [run for name, run in runs.items() if not NAME.fullmatch(name)]
    gains = models_gains.measured(list(runs.values()), shipped, with_gains)
    return {
        "title": task["title"],
        "rows": rows,
        "published": kept if task["name"] == "published" else [],
        "gains": gains,
    }


def _runs(task: dict[str, Any], root: Path) -> list[tuple[Path, Run]]:
    """The shipped networks, then the runs of the task that have a checkpoint, scored."""
    found = [(Path(name), open_run(register.place(name))) for name in task.get("shipped", ())]
    for path in sorted(root.glob(f"{task['name']}-*-s*"), key=lambda p: paths.natural_key(p.name)):
        if NAME.fullmatch(path.name) and (path / "fold0" / "best.safetensors").is_file():
            found.append((path, scored(open_run(path), root / ".scored")))
    there = [paths.sha256(run.fold().best) for _, run in found[: len(task.get("shipped", ()))]]
    return [
        (path, run)
        for place, (path, run) in enumerate(found)
        if place < len(there) or paths.sha256(run.fold().best) not in there
    ]


def scored(run: Run, work: Path) -> Run:
    """The run with the cases of its test part; an unfinished one is scored in a copy."""
    if run.summary is not None and run.fold().cases_csv.is_file():
        return run
    if run.state in ("trained", "done"):
        evaluate_run(run, device="cpu")
        return open_run(run.path)
    copy = work / run.name
    same = copy / "fold0" / "best.safetensors"
    if same.is_file() and paths.sha256(same) == paths.sha256(run.fold().best):
        return open_run(copy)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("cases.csv", ".lock"))
    evaluate_run(open_run(copy), device="cpu")
    return open_run(copy)


def _row(name: str, run: Run) -> dict[str, Any]:
    history, figure = run.fold().history(), (run.summary or {})["metrics"]["dice_image"]
    match = NAME.fullmatch(name)
    return {
        "name": match["label"] if match else name,
        "network": run.recipe.architecture,
        "seed": run.recipe.train.seed,
        "teacher": run.recipe.distil.teacher,
        "epochs": len(history),
        "planned": run.recipe.train.epochs,
        "minutes": round(sum(row["seconds"] for row in history) / 60, 1),
        "params": sum(p.numel() for p in run.load_model().parameters()),
        "cpu_ms": round(_cpu_ms(run), 1),
        "pictures": run.summary["n"] if run.summary else 0,
        "dice": figure["mean"],
        "ci95": figure["ci95"],
    }


def _cpu_ms(run: Run) -> float:
    """Process CPU time of one picture at the size of the run, one thread, median."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network, picture = run.load_model(), torch.zeros(1, 3, *run.recipe.data.size)
    spent = []
    with torch.inference_mode():
        network(picture)
        for _ in range(ROUNDS):
            since = time.process_time()
            network(picture)
            spent.append(1e3 * (time.process_time() - since))
    torch.set_num_threads(threads)
    return float(np.median(spent))
