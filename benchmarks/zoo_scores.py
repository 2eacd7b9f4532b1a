"""Every architecture on the built-in `demo` set, same recipe and split: scores with intervals.

    python benchmarks/zoo_scores.py                       # all; resumable, finished runs are kept
    python benchmarks/zoo_scores.py --only unet --epochs 20
    python benchmarks/zoo_scores.py --table docs/zoo-demo.md

Networks go from the smallest to the largest; the five smallest run with three seeds. A run that is
there already is not repeated. The table states what was run and names what was not.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path
from typing import Any

import torch

from segkit import build, paths, plugins
from segkit.engine import crossval, request
from segkit.engine.runs import open_run

SMALLEST, SEEDS = 5, 3
COLLAPSED = 0.2  # a Dice that any network passes unless it has collapsed


def networks() -> list[str]:
    """All that can run here, by parameters."""
    values = [plugins.get("architectures", name) for name in plugins.names("architectures")]
    return [v.name for v in sorted(values, key=_size) if not build.missing(v)]


def _size(value: Any) -> int:
    return value.params or 10**12


def side_of(name: str, size: int) -> int:
    """The asked side, or the smallest that the network trains at."""
    return max(size, build.architecture(name).min_train_size)


def train(name: str, out: Path, asked: argparse.Namespace, seeds: int) -> None:
    """One network; goes on where it stopped."""
    side = side_of(name, asked.size)
    recipes = build.architecture(name).recipes
    recipe = "light" if "light" in recipes else str(asked.recipe)
    flags: dict[str, dict[str, Any]] = {
        "data": {"name": "demo", "size": [side, side], "split": "7:3"},
        "train": {"epochs": asked.epochs},
    }
    settings = request.resolve(name, recipe, flags).recipe
    options = crossval.Options(seeds=seeds, resume=(out / "recipe.json").exists())
    for event in crossval.train(settings, out, options):
        if event["event"] == "epoch":
            val = event["val"].get("dice_image", float("nan")) if event["val"] else float("nan")
            print(f"{name} seed {event['seed']} epoch {event['epoch']} val {val:.3f}", flush=True)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The finished runs, best first."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (path / "summary.json").exists():
            run = open_run(path)
            found.append({"name": path.name, "run": run, "summary": run.summary})
    return sorted(found, key=lambda row: -row["summary"]["metrics"]["dice_image"]["mean"])


def table(folder: Path, asked: argparse.Namespace) -> str:
    """The documentation page."""
    done = rows(folder)
    missing = [name for name in networks() if name not in {row["name"] for row in done}]
    command = f"python benchmarks/zoo_scores.py --epochs {asked.epochs} --size {asked.size}"
    lines = [
        "# The zoo on the built-in pictures",
        "",
        f"Made by `{command}` on a CPU ({platform.machine()}, {torch.get_num_threads()} threads,",
        f"torch {torch.__version__}): the `light` recipe, split 7:3 (72 test pictures),",
        f"{asked.epochs} epochs. A few minutes each: this shows that every network trains under",
        "one recipe, not which one is best. Drawn pictures say nothing about patients.",
        "",
        "| network | M parameters | size | seeds | Dice per image | 95 % interval | Dice pooled |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in done),
        "",
    ]
    collapsed = [r["name"] for r in done if _dice(r) < COLLAPSED]
    lines.append(f"Collapsed (Dice below {COLLAPSED}): {', '.join(collapsed) or 'none'}.")
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _dice(row: dict[str, Any]) -> float:
    return row["summary"]["metrics"]["dice_image"]["mean"]


def _line(row: dict[str, Any]) -> str:
    metrics, recipe = row["summary"]["metrics"], row["run"].recipe
    low, high = metrics["dice_image"]["ci95"]
    params = (build.architecture(row["name"]).params or 0) / 1e6
    seeds = len({fold.seed for fold in row["run"].folds})
    cells = [row["name"], f"{params:.3f}", f"{recipe.data.size[0]}²", str(seeds)]
    cells += [f"{_dice(row):.4f}", f"{low:.4f} to {high:.4f}"]
    return "| " + " | ".join([*cells, f"{metrics['dice_pooled']['mean']:.4f}"]) + " |"


def main() -> None:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--recipe", default="quick", help="for networks without a light recipe")
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
        paths.write_text(asked.table, table(asked.folder, asked))
    paths.write_text(asked.table, table(asked.folder, asked))


if __name__ == "__main__":
    main()
