"""From a name and settings to a network. Importing this module does not import torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from segkit import plugins
from segkit.api import Architecture, Published, resolve
from segkit.errors import MissingExtra, unknown
from segkit.recipe import Recipe, fill, from_dict, merge, parse_set, read_settings

if TYPE_CHECKING:
    from torch import nn


TWINS = ("conv", "identity")  # ARCH@conv: every scan replaced, see segkit.nn.twins


def architecture(name: str) -> Architecture:
    """The description of a network; `NAME@conv`, `NAME@identity`: its twins without a scan."""
    base, sign, kind = name.partition("@")
    value: Architecture = plugins.get("architectures", base)
    return _twin(value, kind) if sign else value


def _twin(value: Architecture, kind: str) -> Architecture:
    if kind not in TWINS:
        raise unknown("twin", kind, TWINS)

    def make(config: Any) -> nn.Module:
        replaced: nn.Module = resolve("segkit.nn.twins:replace_scans")(
            resolve(value.make)(config), kind
        )
        return replaced

    what = "a depth-wise convolution" if kind == "conv" else "nothing"
    return dataclasses.replace(
        value,
        name=f"{value.name}@{kind}",
        summary=f"{value.name} with {what} in place of every scan.",
        make=make,
        published=Published(),
        params=None,
        paper_counter=None,
        starts={},
        weights=None,
        cards={},
    )


def model_config(name: str, settings: dict[str, Any] | None = None) -> Any:
    """The network's config dataclass with `settings` applied; unknown keys are errors."""
    return fill(architecture(name).config, settings or {}, path="model")


def create(name: str, **config: Any) -> nn.Module:
    """Build a network by name: `segkit.create("qtseg", num_classes=3)`."""
    return build(name, model_config(name, config))


def loss_config(name: str, settings: dict[str, Any] | None, path: str = "loss.config") -> Any:
    """The config dataclass of a loss with `settings` applied; unknown keys are errors."""
    return fill(plugins.get("losses", name).config, settings or {}, path)


def build(name: str, config: Any) -> nn.Module:
    """Build a network from its complete config."""
    value = architecture(name)
    require(value)
    network: nn.Module = resolve(value.make)(config)
    return network


def missing(value: Architecture) -> list[str]:
    """The packages outside the core that the network needs and that are not there."""
    return [name for name in value.requires if not _found(name)]


def _found(module: str) -> bool:
    """Whether a module can be found; a broken parent package counts as not."""
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def require(value: Architecture) -> None:
    """Raise before any work if the network needs a package that is not there."""
    for name in missing(value):
        raise MissingExtra(name, value.extra, f"the architecture '{value.name}'")


def config_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as plain data."""
    return dataclasses.asdict(config)


def recipe_settings(value: Architecture, recipe: str | None) -> dict[str, Any]:
    """The settings of a recipe of the architecture by name, or of a file."""
    if recipe is None:
        return {}
    if recipe in value.recipes:
        return read_resource(value.recipes[recipe])
    if recipe.endswith((".toml", ".json")):
        return _without_network(read_settings(recipe), value.name)
    raise unknown(f"recipe of {value.name}", recipe, value.recipes)


def _without_network(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """A recipe that was resolved for another network, without what only that network has."""
    if settings.get("architecture", name) == name:
        return settings
    own = {"loss": ("aux_weights",), "train": ("init", "freeze", "freeze_epochs")}
    kept = {k: v for k, v in settings.items() if k not in ("architecture", "model")}
    for section, keys in own.items():
        if isinstance(kept.get(section), dict):
            kept[section] = {k: v for k, v in kept[section].items() if k not in keys}
    return kept


def resolve_recipe(
    name: str,
    recipe: str | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Recipe:
    """Defaults < the plugin's recipe < a recipe file < flags < `--set`, checked without torch."""
    return resolve_recipe_of(architecture(name), recipe, assignments, flags)


def resolve_recipe_of(
    value: Architecture,
    recipe: str | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Recipe:
    """`resolve_recipe` for a description at hand."""
    settings: dict[str, Any] = {"architecture": value.name}
    settings = merge(settings, recipe_settings(value, recipe))
    settings = merge(settings, flags or {})
    for assignment in assignments:
        settings = merge(settings, parse_set(assignment))
    resolved = from_dict(settings)
    for path, term in resolved.loss.named().items():
        loss_config(term["name"], term.get("config"), path)
    config = fill(value.config, resolved.model, path="model")
    return dataclasses.replace(resolved, model=config_dict(config))


def read_resource(location: str) -> dict[str, Any]:
    """The TOML file that a plugin names as "package:file.toml"."""
    package, _, file = location.partition(":")
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)
