"""All architectures side by side: counted, measured here, and as published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from segkit import build, plugins
from segkit.api import Architecture
from segkit.engine.costs import stored


def survey(
    names: Sequence[str],
    size: tuple[int, int] | None,
    latency: bool = False,
    onnx: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """A row per architecture, at one size or (None) at each paper's own; exported to `onnx`."""
    for name in names or plugins.names("architectures"):
        value = build.architecture(name)
        if not build.missing(value):
            yield row(value, size, latency) | {"onnx": _exported(name, onnx)}


def _exported(name: str, folder: Path | None) -> dict[str, Any] | None:
    if folder is None:
        return None
    from segkit.engine.costs import zoo_export

    return zoo_export.onnx_facts(name, folder)


def row(value: Architecture, size: tuple[int, int] | None, latency: bool) -> dict[str, Any]:
    """One architecture; it is built only where nothing is stored, or to be measured."""
    known = stored.counts(value, size) or _count(value, size)
    measured = _latency(value, known["input"]) if latency else None
    return stored.facts(value) | known | {"latency_ms": measured}


def _count(value: Architecture, size: tuple[int, int] | None) -> dict[str, Any]:
    from segkit.engine.costs import profile

    settings = profile.ProfileSettings(size=size, measure=False)
    document = profile.counted(value, value.config(), settings)[0]
    return {key: document[key] for key in stored.KEYS}


def _latency(value: Architecture, shape: Sequence[int]) -> dict[str, Any]:
    import torch

    from segkit.engine.costs.meter import Meter

    network = build.build(value.name, value.config())
    return Meter(network, shape, torch.device("cpu"), runs=10).latency()
