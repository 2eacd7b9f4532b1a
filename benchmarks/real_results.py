"""Real pictures, side by side, on a CPU: the plan of the runs, what is missing of it, and its page.

    OMP_NUM_THREADS=1 python -m benchmarks.real_results           # runs what is missing; resumable
    python -m benchmarks.real_results --plan                      # what would be run
    python -m benchmarks.real_results --only qtseg-equal          # these rows
    python -m benchmarks.real_results --table-only                # the page of what is there

Every run is one `segkit train` command in a process of its own, and the page names it. The page is
written anew after every finished run; a stopped run goes on where it was. A figure is on the page
only if its run is finished.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from benchmarks.real_plan import Experiment, in_order, plan

from segkit import paths
from segkit.engine.evaluate_files import read_run_cases
from segkit.engine.evaluate_summary import by_fold, metrics, resampler
from segkit.engine.runs import Run, open_run
from segkit.metrics.statistics import compare_runs, tie_groups

HERE = Path(__file__).parent
COST = "cost.json"
FIGURES = ("dice_image", "iou_image", "dice_pooled", "iou_pooled")
HEAD = """# Real pictures on a CPU, reduced

Made by `python -m benchmarks.real_results`; no figure without a finished run. No GPU was at hand,
so sizes and epochs are **far below the papers'**: these rows say how the networks compare after
minutes of training on small pictures, not how good they are. They must not be put beside published
figures.

A figure carries its 95 % interval (pictures resampled, all seeds or folds of a picture together).
Rows of a table that share a letter in *ties* cannot be told apart: paired permutation tests of the
Dice of each test picture, Holm over all pairs. The tests and intervals know the chance of the
pictures, not that of the seed; for that there is the spread over seeds. *Chosen on*: the part that
chose the checkpoint. Times are sums over seeds and folds, with the scoring, on a machine that did
other work too (so the wall time is an upper bound)."""


def done(folder: Path) -> Run | None:
    """The finished run of a folder."""
    return open_run(folder) if (folder / "summary.json").is_file() else None


def carry_out(row: Experiment, seed: int, root: Path) -> bool:
    """Train and score one run, on from where it stopped; its cost is kept beside it."""
    folder, words = row.folder(root, seed), row.command(root, seed)
    begun = (folder / "recipe.json").is_file()
    if begun and open_run(folder).training_now:
        print(f"{folder} is being trained by another process: left alone", flush=True)
        return False
    print("segkit " + shlex.join(words), flush=True)
    segkit = [sys.executable, "-m", "segkit", *words, *(["--resume"] if begun else [])]
    since, spent = time.monotonic(), _spent()
    try:
        code = _run(segkit)
    finally:  # also when stopped: a resumed run has cost the sum
        if folder.is_dir():
            _add_cost(folder, time.monotonic() - since, _spent() - spent)
    return code == 0


def _run(command: list[str]) -> int:
    """The exit code; a signal to this program reaches the run, which keeps its state and ends."""
    with subprocess.Popen(command, cwd=HERE.parent) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cost(folder: Path) -> dict[str, Any]:
    return paths.read_json(folder / COST) if (folder / COST).is_file() else {}


def _add_cost(folder: Path, wall: float, cpu: float) -> None:
    known = _cost(folder)
    total = {"wall": wall + known.get("wall", 0.0), "cpu": cpu + known.get("cpu", 0.0)}
    paths.write_json(folder / COST, {**total, "processor": processor()})


# --- the page ---


def scores(row: Experiment, root: Path) -> dict[str, Any] | None:
    """The finished seeds of a row as one: figures over their cases, cost, conditions."""
    runs = {seed: run for seed in row.seeds if (run := done(row.folder(root, seed)))}
    if not runs:
        return None
    tables = {seed: read_run_cases(run.folds) for seed, run in runs.items()}
    columns = {
        name: np.concatenate([table[name] for table in tables.values()])
        for name in next(iter(tables.values()))
        if all(name in table for table in tables.values())
    }
    columns["seed"] = np.concatenate(
        [np.full(len(table["id"]), str(seed), dtype=object) for seed, table in tables.items()]
    )
    spread = [one["dice_image"] for one in by_fold(columns)]
    costs = [_cost(run.path) for run in runs.values()]
    return {
        "row": row,
        "seeds": list(runs),
        "run": next(iter(runs.values())),
        "columns": columns,
        "metrics": metrics(columns, resampler(columns)),
        "sd": float(np.std(spread, ddof=1)) if len(spread) > 1 else None,
        "minutes": {key: sum(c.get(key, 0.0) for c in costs) / 60 for key in ("wall", "cpu")},
    }


def ties(found: list[dict[str, Any]]) -> dict[str, str]:
    """Letters per row: rows that share one cannot be told apart on these pictures."""
    values = {one["row"].name: _per_picture(one["columns"]) for one in found}
    if len(values) < 2:
        return dict.fromkeys(values, "")
    ids = sorted(set.intersection(*(set(table) for table in values.values())))
    columns = found[0]["columns"]
    groups = dict(zip(columns["id"], columns["group"], strict=True))
    arrays = {name: np.array([table[i] for i in ids]) for name, table in values.items()}
    pairs = compare_runs(arrays, [str(groups[i] or i) for i in ids])
    return tie_groups({name: float(v.mean()) for name, v in arrays.items()}, pairs)


def _per_picture(columns: dict[str, np.ndarray]) -> dict[str, float]:
    return {str(i): float(columns["dice"][columns["id"] == i].mean()) for i in set(columns["id"])}


def page(rows: list[Experiment], root: Path) -> str:
    """The documentation page of what is finished, and the list of what is not."""
    found = [one for row in rows if (one := scores(row, root))]
    missing = [f"{row.name} seed {seed}" for row in rows for seed in row.seeds]
    there = {f"{one['row'].name} seed {seed}" for one in found for seed in one["seeds"]}
    missing = [name for name in missing if name not in there]
    lines = [HEAD]
    for data in dict.fromkeys(one["row"].data for one in found):
        lines += _section([one for one in found if one["row"].data == data])
    lines += ["", "## Not run", "", ", ".join(missing) or "Nothing of the plan is missing.", ""]
    return "\n".join(lines)


def _section(found: list[dict[str, Any]]) -> list[str]:
    found = sorted(found, key=lambda one: -one["metrics"]["dice_image"]["mean"])
    letters, run = ties(found), found[0]["run"]
    train, test = (
        sum(len(getattr(f, part)) for f in run.split.folds) for part in ("train", "test")
    )
    side, folds = run.recipe.data.size[0], len(run.split.folds)
    cut = f"{folds} folds" if folds > 1 else f"{train} training, {test} test"
    facts, chip = run.environment, _cost(run.path).get("processor", "processor unknown")
    return [
        "",
        f"## {run.card['title'] or run.card['name']}: {side}², {cut}",
        "",
        f"Split rule: {run.split.rule}. Device: {facts['device']} ({chip}), "
        f"{facts['threads']} thread(s), torch {facts['versions']['torch']}.",
        "",
        "| row | seeds | epochs | chosen on | Dice per image | IoU per image | Dice pooled "
        "| IoU pooled | ties | sd of Dice over seeds or folds | minutes, wall (CPU) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_line(one, letters) for one in found),
        "",
        "How each row was made, and what is reduced against its paper:",
        "",
        *(_origin(one) for one in found),
    ]


def _line(one: dict[str, Any], letters: dict[str, str]) -> str:
    recipe = one["run"].recipe
    cells = [one["row"].name, ", ".join(map(str, one["seeds"])), str(recipe.train.epochs)]
    cells += [recipe.train.select_on, *(_figure(one["metrics"][name]) for name in FIGURES)]
    cells += [letters[one["row"].name] or "–", "–" if one["sd"] is None else f"{one['sd']:.3f}"]
    cells += [f"{one['minutes']['wall']:.0f} ({one['minutes']['cpu']:.0f})"]
    return "| " + " | ".join(cells) + " |"


def _figure(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['mean']:.3f} ({low:.3f} to {high:.3f})"


def _origin(one: dict[str, Any]) -> str:
    row, more = one["row"], one["seeds"][1:]
    command = shlex.join(["segkit", *row.command(Path("runs/real"), one["seeds"][0])])
    again = f" (and the same with seeds {', '.join(map(str, more))})" if more else ""
    return f"- **{row.name}**: `{command}`{again}. Reduced: {row.note}."


def processor() -> str:
    """The processor in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)  # ends the child too, and keeps its cost


def main() -> int:
    """Run what is missing, most telling first; write the page after every finished run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/real"))
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs/results-cpu.md")
    parser.add_argument("--only", nargs="*", help="these rows")
    parser.add_argument("--plan", action="store_true", help="only show the commands")
    parser.add_argument("--table-only", action="store_true", help="only write the page")
    asked = parser.parse_args()
    root, rows = asked.folder.absolute(), plan()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the runs: one thread each
    signal.signal(signal.SIGTERM, _stop)
    well = True
    for row, seed in in_order([r for r in rows if not asked.only or r.name in asked.only]):
        if asked.plan:
            print("segkit " + shlex.join(row.command(asked.folder, seed)))
        elif not asked.table_only and not done(row.folder(root, seed)):
            well &= carry_out(row, seed, root)
            paths.write_text(asked.page, page(rows, root))
    if not asked.plan:
        paths.write_text(asked.page, page(rows, root))
        print(asked.page)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
