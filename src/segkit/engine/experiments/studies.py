"""What a sweep tries: points from `--grid`, or a shipped study (a paper's ablation). No torch."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from segkit import build
from segkit.errors import UsageError, unknown
from segkit.recipe import parse_set

FOLDER = "grids"


@dataclass(frozen=True)
class SweepPoint:
    """One setting of the things that vary."""

    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # dotted key -> value
    published: Mapping[str, float] = field(default_factory=dict)
    architecture: str = ""  # where points differ in it

    @property
    def assignments(self) -> list[str]:
        """As `--set` takes them (JSON values are TOML values, but for null)."""
        return [f"{key}={json.dumps(value)}" for key, value in self.settings.items()]

    @property
    def folder(self) -> str:
        """A name that any file system takes."""
        return re.sub(r"[^A-Za-z0-9.=-]+", "_", self.label).strip("_") or "base"


@dataclass(frozen=True)
class Study:
    """A shipped list of points with its source."""

    name: str
    title: str
    architecture: str
    source: str
    points: tuple[SweepPoint, ...]


def from_grids(grids: Sequence[str]) -> list[SweepPoint]:
    """The product of `--grid key=a,b` options, in the order given."""
    axes = [_axis(text) for text in grids]
    keys = [key for key, _ in axes]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UsageError(f"--grid {twice.pop()} is given twice")
    return [_point(dict(values)) for values in _product(axes)]


def _product(axes: Sequence[tuple[str, Sequence[Any]]]) -> list[list[tuple[str, Any]]]:
    pairs = [[(key, value) for value in values] for key, values in axes]
    return [list(chosen) for chosen in itertools.product(*pairs)]


def _axis(text: str) -> tuple[str, list[Any]]:
    """`key=a,b` with commas inside brackets left alone."""
    key, sign, raw = text.partition("=")
    if not sign or not raw.strip():
        raise UsageError(f"--grid {text!r} is not understood", "write --grid section.key=a,b")
    words = re.split(r",(?![^\[]*\])", raw)
    return key.strip(), [_value(key.strip(), word.strip()) for word in words]


def _value(key: str, word: str) -> Any:
    value: Any = parse_set(f"{key}={word}")
    for part in key.split("."):
        value = value[part]
    return value


def _point(settings: Mapping[str, Any]) -> SweepPoint:
    return SweepPoint(
        ", ".join(f"{k.rpartition('.')[2]}={_short(v)}" for k, v in settings.items()), settings
    )


def _short(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value).lower()


TWIN = "twin"  # a study of any network with a scan


def twin(architecture: str) -> list[SweepPoint]:
    """The network as it is, and with every scan replaced: one recipe, one split, the same seeds."""
    build.architecture(architecture)
    names = {"scan": architecture} | {kind: f"{architecture}@{kind}" for kind in build.TWINS}
    return [SweepPoint(label, architecture=name) for label, name in names.items()]


def studies() -> list[str]:
    """The names of the shipped studies."""
    files = resources.files("segkit.engine.experiments").joinpath(FOLDER).iterdir()
    names = sorted(file.name for file in files if file.name.endswith(".toml"))
    return [name.removesuffix(".toml") for name in names]


def study(name: str) -> Study:
    """A shipped study."""
    if name not in studies():
        raise unknown("study", name, studies())
    file = resources.files("segkit.engine.experiments").joinpath(FOLDER, f"{name}.toml")
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    axes = list(content.get("grid", {}).items())
    points = [_point(dict(values)) for values in _product(axes)] if axes else []
    points += [
        SweepPoint(item["label"], item.get("set", {}), item.get("published", {}))
        for item in content.get("point", [])
    ]
    return Study(name, content["title"], content["architecture"], content["source"], tuple(points))
