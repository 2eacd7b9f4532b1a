"""What is exported: a network with everything that a reader of the file must know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit import __version__, build, paths, plugins
from segkit.api import Architecture
from segkit.data.normalise import normalise
from segkit.engine import hub, register, registration
from segkit.engine.certificate import Certificate
from segkit.engine.runs import Run, open_run
from segkit.errors import SegkitError, UsageError, nearest

NOTICE = "For research. Not a medical device; not for diagnosis."


@dataclass(frozen=True)
class Subject:
    """A network in eval mode, and its card: the JSON that travels inside the exported file."""

    network: nn.Module
    card: dict[str, Any]
    images: np.ndarray | None = field(default=None, repr=False)  # uint8 (B, H, W, 3), real ones
    masks: np.ndarray | None = field(default=None, repr=False)  # their ground truth
    certificate: Certificate | None = field(default=None, repr=False)  # its margins

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) that the network was made for."""
        height, width = self.card["size"]
        return int(height), int(width)

    @property
    def channels(self) -> int:
        return int(self.card["config"]["in_channels"])

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """What the file is fed for uint8 (B, H, W, 3) pictures: themselves, or normalised NCHW."""
        if self.card["preprocessing"] == "inside":
            return images
        return normalise(images, self.card["normalise"], self.card["colour"])

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The network's own answer."""
        with torch.inference_mode():
            return self.network(torch.from_numpy(np.ascontiguousarray(inputs))).float().numpy()


class Deployed(nn.Module):
    """The network with its preprocessing in front: uint8 (B, H, W, 3) -> logits."""

    def __init__(self, network: nn.Module, rule: str, colour: str):
        super().__init__()
        self.network, self.rule, self.colour = network, rule, colour

    def forward(self, image: Tensor) -> Tensor:
        return self.network(normalise(image, self.rule, self.colour))


class HalfPrecision(nn.Module):
    """float32 in and out, float16 weights and arithmetic between (scans stay float32)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network.half()

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.half()).float()


def with_preprocessing(subject: Subject) -> Subject:
    """The same with the preprocessing inside the graph."""
    card = subject.card
    deployed = Deployed(subject.network, card["normalise"], card["colour"]).eval()
    return replace(subject, network=deployed, card=card | {"preprocessing": "inside"})


def find_subject(
    target: str,
    *,
    fold: int = 0,
    size: tuple[int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    count: int = 8,
) -> Subject:
    """A run folder, or an architecture with untrained weights."""
    if register.is_name(target) or (Path(target) / "recipe.json").is_file():
        if settings:
            raise UsageError("--set does not apply to a run", "its network is trained as it is")
        return of_run(open_run(target), fold, size, count)
    known = plugins.names("architectures")
    if target not in known:
        close = nearest(target, [*known, *plugins.names("models")])
        hint = f"did you mean '{close[0]}'?" if close else "see: segkit runs, segkit zoo"
        raise UsageError(f"'{target}' is no run folder, trained network or architecture", hint)
    return of_architecture(target, size, settings or {})


def of_architecture(
    name: str, size: tuple[int, int] | None, settings: Mapping[str, Any], seed: int = 0
) -> Subject:
    """The paper's network with fresh weights of a fixed seed: to measure and to try things out."""
    value = build.architecture(name)
    config = build.model_config(name, dict(settings))
    only = value.fixed_size(config) if value.fixed_size else None
    torch.manual_seed(seed)
    network = build.build(name, config).eval()
    recipe = build.resolve_recipe(name, _usual_recipe(value))
    card = _card(name, build.config_dict(config), only or size or value.size, only)
    card |= {
        "trained": False,
        "normalise": recipe.data.normalise,
        "colour": recipe.data.colour,
        "resize": recipe.data.resize,
        "threshold": recipe.evaluate.threshold,
        "classes": _class_names(card["config"]["num_classes"]),
    }
    return Subject(network, card)


def _usual_recipe(value: Architecture) -> str | None:
    """The paper's recipe, else the first: it says how the network's pictures are normalised."""
    return "paper" if "paper" in value.recipes else next(iter(value.recipes), None)


def of_run(run: Run, fold: int, size: tuple[int, int] | None, count: int) -> Subject:
    """The best weights of one fold, with validation pictures where the data are at hand."""
    recipe = run.recipe
    value = build.architecture(recipe.architecture)
    config = build.model_config(recipe.architecture, recipe.model)
    only = value.fixed_size(config) if value.fixed_size else None
    card = _card(recipe.architecture, recipe.model, only or size or recipe.data.size, only)
    card |= {
        "trained": True,
        "run": run.name,
        "fold": fold,
        "dataset": run.card.get("title") or run.card.get("name"),
        "licence": run.card.get("licence", ""),
        "citation": run.card.get("citation", ""),
        "selection": run.selection,
        "registered": registration.statement(run) or None,
        "normalise": recipe.data.normalise,
        "colour": recipe.data.colour,
        "resize": recipe.data.resize,
        "threshold": recipe.evaluate.threshold,
        "classes": list(run.card["classes"]),
    }
    if (run.path / hub.DESCRIPTION).is_file():  # a trained network says under which it is given
        card["weights_licence"] = paths.read_json(run.path / hub.DESCRIPTION).get("licence", "")
    images, masks = validation_pictures(run, fold, count)
    return Subject(run.load_model(fold), card, images, masks)


def _card(
    name: str, config: Mapping[str, Any], size: Sequence[int], only: tuple[int, int] | None
) -> dict[str, Any]:
    value = build.architecture(name)
    return {
        "format": 1,
        "producer": f"segkit {__version__}",
        "architecture": name,
        "summary": value.summary,
        "paper": f"{value.paper.title} ({value.paper.year})" if value.paper else "",
        "paper_url": value.paper.url if value.paper else "",
        "config": dict(config),
        "size": [int(side) for side in size],
        "fixed_size": only is not None,
        "preprocessing": "outside",
        "precision": "float32",
        "notice": NOTICE,
    }


def _class_names(channels: int) -> list[str]:
    if channels == 1:
        return ["background", "foreground"]
    return ["background", *(f"class {index}" for index in range(1, channels))]


def validation_pictures(
    run: Run, fold: int, count: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Up to `count` validation pictures and their masks; none if the data are not here."""
    from segkit.data.preparing.prepare import ensure_prepared
    from segkit.data.store import open_prepared

    name = run.recipe.data.name or run.card.get("name")
    try:
        prepared = open_prepared(ensure_prepared(name, run.recipe.data))
    except SegkitError:
        return None, None
    part = run.split.folds[min(fold, len(run.split.folds) - 1)]
    known = set(prepared.ids)
    ids = [item for item in sorted(part.val or part.test or part.train) if item in known][:count]
    rows = sorted(prepared.index(item) for item in ids)
    return np.asarray(prepared.images[rows]), np.asarray(prepared.masks[rows])
