"""The page of `benchmarks.real_results`: figures of finished runs, ties, origins."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.real_plan import Experiment

from segkit import paths
from segkit.engine.evaluating.cases_csv import read_run_cases
from segkit.engine.evaluating.summary import by_fold, metrics, resampler
from segkit.engine.runs import Run, open_run
from segkit.metrics.statistics import compare_runs, tie_groups

COST = "cost.json"
FIGURES = ("dice_image", "iou_image", "dice_pooled", "iou_pooled")
HEADS = {
    "cpu": """# Real pictures on a CPU, reduced

Made by `python -m benchmarks.real_results`; no figure without a finished run. No GPU was at hand,
so sizes and epochs are **far below the papers'**: these rows say how the networks compare after
minutes of training on small pictures, not how good they are. They must not be put beside published
figures.""",
    "cuda": """# Real pictures on a GPU

Made by `python -m benchmarks.real_results --device cuda`; no figure without a finished run.""",
}
ABOUT = """Under each figure stands its 95 % interval (pictures resampled, all seeds or folds of a
picture together). Rows of a table that share a letter in *ties* cannot be told apart: paired
permutation tests of the Dice of each test picture, Holm over all pairs. Intervals and tests know
the chance of the pictures, not that of the seed; *spread* is the standard deviation of Dice per
image over seeds or folds. *Chosen on*: the part that chose the checkpoint. *Minutes*: wall (CPU),
summed over seeds and folds, with the scoring, on a machine that did other work too: the wall time
is an upper bound."""


def done(folder: Path) -> Run | None:
    """The finished run of a folder."""
    return open_run(folder) if (folder / "summary.json").is_file() else None


def cost(folder: Path) -> dict[str, Any]:
    """What a run has taken: seconds of wall and of CPU, and on which processor."""
    return paths.read_json(folder / COST) if (folder / COST).is_file() else {}


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
    if len(row.seeds) > 1:  # each run knows of one seed only
        labels = [np.full(len(t["id"]), str(s), dtype=object) for s, t in tables.items()]
        columns["seed"] = np.concatenate(labels)
    spread = [one["dice_image"] for one in by_fold(columns)]
    costs = [cost(run.path) for run in runs.values()]
    return {
        "row": row,
        "seeds": [seed for run in runs.values() for seed in run.environment["plan"]["seeds"]],
        "begun": list(runs),
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


def page(rows: list[Experiment], root: Path, device: str) -> str:
    """The documentation page of what is finished, and the list of what is not."""
    found = [one for row in rows if (one := scores(row, root))]
    missing = [f"{row.name} seed {seed}" for row in rows for seed in row.seeds]
    there = {f"{one['row'].name} seed {seed}" for one in found for seed in one["begun"]}
    missing = [name for name in missing if name not in there]
    lines = ["---", "hide: [toc]", "---", "", HEADS[device], "", ABOUT]
    for data in dict.fromkeys(one["row"].data for one in found):
        lines += _section([one for one in found if one["row"].data == data])
    lines += ["", "## Not run", "", ", ".join(missing) or "Nothing of the plan is missing.", ""]
    return "\n".join(lines)


def _section(found: list[dict[str, Any]]) -> list[str]:
    found = sorted(found, key=lambda one: -one["metrics"]["dice_image"]["mean"])
    letters, run = ties(found), found[0]["run"]
    side, folds = run.recipe.data.size[0], run.split.folds
    parts = [f"{len(getattr(folds[0], part))} {part}" for part in ("train", "val", "test")]
    cut = f"{len(folds)} folds, the first " * (len(folds) > 1) + ", ".join(parts)
    facts, chip = run.environment, cost(run.path).get("processor", "processor unknown")
    return [
        "",
        f"## {run.card['title'] or run.card['name']}: {side}², {cut}",
        "",
        f"Split rule: {run.split.rule}. Device: {facts['device']} ({chip}), "
        f"{facts['threads']} thread(s), torch {facts['versions']['torch']}.",
        "",
        "| row | seeds | epochs | chosen on | Dice per image | IoU per image | Dice pooled "
        "| IoU pooled | ties | spread | minutes |",
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
    return f"{figure['mean']:.3f}<br>{low:.3f} to {high:.3f}"


def _origin(one: dict[str, Any]) -> str:
    row, more = one["row"], one["begun"][1:]
    command = shlex.join(["segkit", *row.command(Path(f"runs/real-{row.device}"), one["begun"][0])])
    again = f" (and the same with seeds {', '.join(map(str, more))})" if more else ""
    return f"- **{row.name}**: `{command}`{again}. Reduced: {row.note}."
