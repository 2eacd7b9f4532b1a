"""All architectures side by side: counted, measured here, and as published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from segkit import build, plugins
from segkit.api import Architecture
from segkit.engine.costs import profile, zoo_export
from segkit.engine.costs.counting import count
from segkit.engine.costs.meter import Meter
from segkit.metrics.published import PublishedRow, all_rows

ALIASES = {
    "attentionunet": "attunet",
    "segformer": "segformer_b1",  # the tables that name it print 13.7 M parameters
}


def survey(
    names: Sequence[str],
    size: tuple[int, int] | None,
    latency: bool = True,
    onnx: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """A row per architecture, at one size or (None) at each paper's own; exported to `onnx`."""
    for name in names or plugins.names("architectures"):
        value = build.architecture(name)
        if not build.missing(value):
            exported = zoo_export.onnx_facts(name, onnx) if onnx else None
            yield row(value, size, latency) | {"onnx": exported}


def row(value: Architecture, size: tuple[int, int] | None, latency: bool) -> dict[str, Any]:
    """One architecture."""
    config = value.config()
    shape = (1, config.in_channels, *profile.input_size(value, config, size))
    network = build.build(value.name, config).eval()
    counted = count(network, shape)
    about = profile.describe(value, config, network)
    costs = profile.costs(value, network, counted, shape)
    kept = ("input", "macs", "scan_ops", "flops", "published", "paper_counter")
    return {
        "name": value.name,
        "status": "ok",
        "reason": "",
        "summary": value.summary,
        "year": value.paper.year if value.paper else None,
        "venue": value.paper.venue if value.paper else "",
        "url": value.paper.url if value.paper else "",
        "params": about["params"],
        "weights_mb": about["weights_mb"],
        **{key: costs[key] for key in kept},
        "latency_ms": _latency(network, shape) if latency else None,
        "published_scores": [_score(found) for found in published_rows(value.name)],
    }


def _latency(network: torch.nn.Module, shape: Sequence[int]) -> dict[str, Any]:
    return Meter(network, shape, torch.device("cpu"), runs=10).latency()


def published_rows(name: str) -> list[PublishedRow]:
    """The rows of published tables that carry this architecture's name."""
    spellings = (name, name.replace("_", ""))
    return [found for found in all_rows() if _key(found.name) in spellings]


def _key(printed: str) -> str:
    """`UNet++` as the catalogue of architectures writes it: unetpp."""
    text = printed.lower().replace("++", "pp").replace("+", "plus")
    plain = re.sub(r"[^a-z0-9]", "", text)
    return ALIASES.get(plain, plain)


def _score(found: PublishedRow) -> dict[str, Any]:
    return {
        "data": found.data,
        "dice": found.scores.get("dice"),
        "iou": found.scores.get("iou"),
        "params_m": found.params_m,
        "aggregation": found.aggregation,
        "selection": found.selection,
        "source": found.source,
    }
