"""The contract of a trained network: whole files, the facts a user needs, one answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from segkit import plugins
from segkit.api import TrainedModel
from segkit.engine import register
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import open_run
from segkit.testing.checks import Check, Outcome, expect, run_checks

NEEDED = ("licence", "data", "data_licence", "split", "command")
HASHED = ("recipe.json", "data.json", "split.json", "fold0/best.safetensors")


def check_model(model: str | TrainedModel) -> Iterator[Outcome]:
    """All checks of one trained network."""
    value: TrainedModel = plugins.get("models", model) if isinstance(model, str) else model
    checks: list[Check] = [
        ("its facts say what a user needs", lambda: _facts(value)),
        ("its files are whole", lambda: _whole(value)),
        ("it answers with probabilities", lambda: _answers(register.folder(value))),
        ("its network and its ONNX file agree", lambda: _agree(register.folder(value))),
    ]
    return run_checks(value.name, checks)


def _facts(model: TrainedModel) -> None:
    absent = [name for name in NEEDED if not getattr(model, name)]
    expect(not absent, f"its facts leave out {', '.join(absent)}")
    expect("dice_image" in model.scores and model.pictures > 0, "its facts leave out the scores")
    expect(bool(model.limits), "its facts name no limits")


def _whole(model: TrainedModel) -> None:
    absent = [name for name in HASHED if name not in model.files]
    expect(not absent, f"no SHA-256 is given for {', '.join(absent)}")
    run = open_run(register.folder(model))  # every file is held against its SHA-256
    expect(run.recipe.architecture == model.architecture, "the recipe names another network")
    parameters = sum(p.numel() for p in run.load_model().parameters())
    expect(parameters == model.params, f"it has {parameters} parameters, its facts say another")


def _pictures(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)


def _answers(folder: Path) -> None:
    segmenter = Segmenter.from_run(folder, device="cpu")
    found = segmenter.probabilities(_pictures(segmenter.size))
    expect(bool(torch.isfinite(found).all()), "it gives values that are not finite")
    expect(bool(((found >= 0) & (found <= 1)).all()), "it gives no probabilities")


def _agree(folder: Path) -> None:
    if not (folder / register.GRAPH).is_file():
        return
    segmenter, file = Segmenter.from_run(folder, device="cpu"), OnnxSegmenter(folder / "model.onnx")
    pictures = _pictures(segmenter.size)
    ours, theirs = (np.asarray(s.masks(pictures)) for s in (segmenter, file))
    expect(float((ours != theirs).mean()) < 1e-3, "their masks differ in more than 0.1 % of pixels")
