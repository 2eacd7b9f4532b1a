"""Tiny trainings that the engine's tests share: 24 pictures of 32², a U-Net of width 4."""

from __future__ import annotations

import csv
from pathlib import Path

from segkit.engine.training.crossval import TrainingOptions, train
from segkit.engine.training.request import resolve

TIME = ("seconds", "images_per_s")  # the only columns that may differ between equal runs


def recipe(**over):
    """A recipe with sections over small defaults."""
    flags = {
        "data": {"name": "demo", "size": [32, 32], "variant": "original+count=24", "folds": 2},
        "model": {"width": 4, "levels": 2},
        "optim": {"lr": 0.01},
        "train": {"epochs": 2, "batch": 4},
    }
    for section, values in over.items():
        flags[section] = {**flags.get(section, {}), **values}
    return resolve("unet", None, flags).recipe


def run(made, out: Path, **options):
    """All events of a training without the final scores."""
    return list(train(made, out, TrainingOptions(**{"device": "cpu", "score": False, **options})))


def outcome(out: Path) -> dict[str, object]:
    """What must be equal in equal runs: weights to the bit, metrics but for the clock."""
    found: dict[str, object] = {}
    for fold in sorted(out.rglob("fold*/")):
        if (fold / "best.safetensors").exists():
            found[f"{fold.name}/best"] = (fold / "best.safetensors").read_bytes()
            with open(fold / "metrics.csv", newline="") as handle:
                rows = list(csv.DictReader(handle))
            kept = [{k: v for k, v in row.items() if k not in TIME} for row in rows]
            found[f"{fold.relative_to(out)}/metrics"] = kept
    return found
