"""Every architecture on the built-in `demo` set, same recipe and split: scores with intervals.

    python benchmarks/zoo_scores.py                       # all; resumable, finished runs are kept
    python benchmarks/zoo_scores.py --only unet --folder runs/try --table try.md
    python benchmarks/zoo_scores.py --table-only          # write the page again

The recipe is `benchmarks/zoo_demo.toml`, for all. Networks go from the smallest to the largest;
the five smallest run with three seeds. A run that is there already is not repeated. The page
states what was run and names what was not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from segkit import build, paths, plugins
from segkit.engine.runs import Run, open_run
from segkit.engine.training import crossval, request
from segkit_baselines.resenc_unet.model import stages_for

SMALLEST, SEEDS = 5, 3
COLLAPSED = 0.2  # a Dice that any network passes unless it has collapsed
RECIPE = Path(__file__).with_name("zoo_demo.toml")
FIGURES = ("Dice per image", "95 % interval", "by seed", "Dice pooled", "best epoch", "s per run")
COLUMNS = ("network", "M parameters", "seeds", *FIGURES)


def networks() -> list[str]:
    """All that can run here, by parameters."""
    values = [plugins.get("architectures", name) for name in plugins.names("architectures")]
    return [v.name for v in sorted(values, key=_size) if not build.missing(v)]


def _size(value: Any) -> int:
    return value.params or 10**12


def model_at(name: str, side: int) -> dict[str, Any]:
    """One logit for all, and what a network needs to know of the size."""
    settings: dict[str, Any] = {"num_classes": 1}
    if name == "resenc_unet":
        settings["stages"] = stages_for((side, side))
    if name == "dermomamba":
        settings["grid"] = [side // 32, side // 32]  # its bottleneck
    return settings


def train(name: str, out: Path, asked: argparse.Namespace, seeds: int) -> None:
    """One network; goes on where it stopped."""
    flags: dict[str, dict[str, Any]] = {
        "model": model_at(name, asked.size),
        "data": {"size": [asked.size, asked.size]},
        "train": {"epochs": asked.epochs},
    }
    settings = request.resolve(name, str(asked.recipe), flags).recipe
    resume = (out / "recipe.json").exists()
    options = crossval.TrainingOptions(seeds=seeds, resume=resume, command=_command(asked))
    for event in crossval.train(settings, out, options):
        if event["event"] == "epoch":
            val = event["val"].get("dice_image", float("nan")) if event["val"] else float("nan")
            print(f"{name} seed {event['seed']} epoch {event['epoch']} val {val:.3f}", flush=True)


def finished(folder: Path) -> list[Run]:
    """The scored runs, best first."""
    runs = [open_run(path.parent) for path in folder.glob("*/summary.json")]
    return sorted(runs, key=lambda run: -_dice(run))


def _dice(run: Run) -> float:
    assert run.summary is not None
    return float(run.summary["metrics"]["dice_image"]["mean"])


def _command(asked: argparse.Namespace) -> str:
    words = ["python benchmarks/zoo_scores.py"]
    words += [f"--epochs {asked.epochs}"] if asked.epochs else []
    words += [f"--size {asked.size}"] if asked.size != 64 else []
    words += [f"--recipe {asked.recipe}"] if asked.recipe != RECIPE else []
    return " ".join(words)


def page(runs: list[Run], missing: list[str], recipe: str) -> str:
    """The documentation page."""
    lines = ["# The zoo on the built-in pictures", "", *_conditions(runs, recipe)]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += [_line(run) for run in runs]
    collapsed = [run.recipe.architecture for run in runs if _dice(run) < COLLAPSED]
    lines += ["", f"Collapsed (Dice below {COLLAPSED}): {', '.join(collapsed) or 'none'}."]
    if missing:
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _conditions(runs: list[Run], recipe: str) -> list[str]:
    """How the table was made, from what the runs themselves have kept."""
    if not runs:
        return ["Nothing has been run yet.", ""]
    first = runs[0]
    facts, cut = first.environment, first.recipe
    height, width = cut.data.size
    parts = first.split.folds[0]
    seconds = [one for run in runs for one in _seconds(run)]
    return [
        f"Made by `{facts['command']}`. One recipe and one split for all, {height}×{width},",
        f"{cut.train.epochs} epochs, from random weights: {len(parts.train)} training,",
        f"{len(parts.val)} validation and {len(parts.test)} test pictures; the epoch is chosen on",
        f"the validation part. The {SMALLEST} smallest networks run with {SEEDS} seeds, the",
        f"others with seed {cut.train.seed}. Device: {facts['device']}, {facts['threads']} thread,",
        f"torch {facts['versions']['torch']}; other work ran beside it, so times are upper bounds.",
        f"{len(seconds)} trainings, {sum(seconds) / 60:.0f} minutes in all.",
        "",
        "This shows that every network trains under one recipe, not which one is best: it is",
        "nobody's own recipe, the pictures are drawn, and at so few epochs what learns fast wins.",
        "The interval is the bootstrap over test pictures (with several seeds, over the pictures'",
        "scores of all of them); it does not hold what another split would change. `by seed`:",
        "lowest and highest of the seeds.",
        "",
        "```toml",
        recipe.strip(),
        "```",
        "",
        "Besides, every network gives one logit, trains its own deep supervision if it has any,",
        f"and is told the size where it must know it: {_told(runs)}.",
        "",
    ]


def _told(runs: list[Run]) -> str:
    told = []
    for run in runs:
        name, settings = run.recipe.architecture, run.recipe.model
        told += [f"{name} `{k}={settings[k]}`" for k in ("grid", "stages") if k in settings]
    return ", ".join(sorted(told)) or "none of these"


def _seconds(run: Run) -> list[float]:
    """The training time of each seed."""
    return [sum(row["seconds"] for row in fold.history()) for fold in run.folds]


def _line(run: Run) -> str:
    summary = run.summary or {}
    metrics, results = summary["metrics"], [fold.result or {} for fold in run.folds]
    low, high = metrics["dice_image"]["ci95"]
    name = run.recipe.architecture
    network = build.create(name, **run.recipe.model)
    params = sum(parameter.numel() for parameter in network.parameters())
    seeds = [row["dice_image"] for row in summary.get("folds", [])]
    cells = [name, f"{params / 1e6:.3f}", str(len(results)), f"{_dice(run):.3f}"]
    cells += [f"{low:.3f} to {high:.3f}"]
    cells += [f"{min(seeds):.3f} to {max(seeds):.3f}" if len(seeds) > 1 else ""]
    cells += [f"{metrics['dice_pooled']['mean']:.3f}"]
    cells += [", ".join(str(result["best_epoch"]) for result in results)]
    return "| " + " | ".join([*cells, f"{statistics.mean(_seconds(run)):.0f}"]) + " |"


def main() -> None:
    """Train what is missing, then write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, help="other than the recipe's")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="one TOML for all")
    parser.add_argument("--only", nargs="*", help="these networks")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-demo"))
    parser.add_argument("--table", type=Path, default=Path("docs/zoo-demo.md"))
    parser.add_argument("--table-only", action="store_true")
    asked = parser.parse_args()
    ordered = networks()
    for name in [] if asked.table_only else asked.only or ordered:
        begun = time.monotonic()
        out = asked.folder / name
        if not (out / "summary.json").exists():
            train(name, out, asked, SEEDS if name in ordered[:SMALLEST] else 1)
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        write(asked, ordered)
    write(asked, ordered)


def write(asked: argparse.Namespace, ordered: list[str]) -> None:
    """The page of what there is by now."""
    runs = finished(asked.folder)
    there = {run.recipe.architecture for run in runs}
    missing = [name for name in ordered if name not in there]
    paths.write_text(asked.table, page(runs, missing, asked.recipe.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
