"""A run folder for tests: real files, an untrained network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from segkit import build
from segkit.engine.runs import Run, fold_dir, write_run
from segkit.recipe import Recipe, from_dict, merge

CARD: dict[str, Any] = {
    "name": "photos",  # no dataset of the catalogue: nothing is looked up
    "title": "Photos",
    "classes": ["background", "lesion"],
    "size": [64, 64],
    "resize": "stretch",
    "licence": "CC0",
}


def make_run(
    path: Path,
    settings: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
    folds: int = 1,
    seed: int = 0,
) -> Run:
    """A run of a small network with random weights: it loads and predicts as any other."""
    import torch
    from safetensors.torch import save_file

    settings = {"architecture": "unet", **(settings or {})}
    small = {"width": 4, "levels": 3} if settings["architecture"] == "unet" else {}
    recipe = _complete(from_dict(merge({"model": small, "data": {"size": [64, 64]}}, settings)))
    run = write_run(path, recipe, {**CARD, **(card or {})}, {"command": "segkit train unet"})
    for index in range(folds):
        torch.manual_seed(seed + index)
        network = build.create(recipe.architecture, **recipe.model)
        fold = fold_dir(path, index)
        fold.path.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), fold.best)
    return Run(run.path)


def _complete(recipe: Recipe) -> Recipe:
    """With every setting of the network, as a run keeps it."""
    config = build.model_config(recipe.architecture, recipe.model)
    return replace(recipe, model=build.config_dict(config))


def train_demo(path: Path, settings: dict[str, Any] | None = None, pictures: int = 24) -> Path:
    """Train and score a tiny U-Net on built-in pictures, in seconds: a run as a user has it."""
    from segkit.engine.training.crossval import TrainingOptions, train

    base: dict[str, Any] = {
        "architecture": "unet",
        "model": {"width": 4, "levels": 2},
        "data": {
            "name": "demo",
            "size": [48, 48],
            "variant": f"original+count={pictures}",
            "split": "1:1",
        },
        "optim": {"lr": 0.02},
        "train": {"epochs": 3, "batch": 4},
    }
    recipe = _complete(from_dict(merge(base, settings or {})))
    for _ in train(
        recipe, path, TrainingOptions(device="cpu", command="segkit train unet --data demo")
    ):
        pass
    return path
