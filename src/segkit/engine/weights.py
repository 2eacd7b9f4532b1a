"""Checkpoints of the original repositories: in as a segkit run, out again with the same bits.

An architecture's `weights` is a layout, or a mapping of layouts by name ("original" first); most
are tables (segkit.nn.renaming). A layout has `to_segkit(state)` and `to_original(state)`, and may
have `settings(state)` (what a state in our names tells of the network) and `prefix` (the part that
it covers). The layout "segkit", our own names, is there for every network. Everything is strict: a
name or shape that does not fit is reported, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit import build, paths
from segkit.engine.checkpoints import open_checkpoint, read_safetensors
from segkit.engine.fitting import BestFit, Report, check, find, layouts
from segkit.engine.runs import Run, fold_dir, open_run, write_run
from segkit.errors import SegkitError, UsageError, unknown
from segkit.recipe import Recipe

State = dict[str, Tensor]


@dataclass(frozen=True)
class Imported:
    """What an import found and wrote."""

    path: Path  # a run folder, or the file of a part
    report: Report
    sha256: str
    part: str  # "" for a whole network
    settings: Mapping[str, Any]  # of the network, where they are not its usual ones


# --- in ---


def import_weights(
    name: str,
    file: Path,
    out: Path,
    *,
    layout: str | None = None,
    take: str | None = None,
    recipe: str | None = None,
    data: str | None = None,
    assignments: tuple[str, ...] = (),
) -> Imported:
    """Write a run (or, for a layout of a part, a file to start training from) at `out`."""
    if (out / "recipe.json").exists():
        raise UsageError(f"{out} is a run already", None, "Choose another --out.")
    checkpoint = open_checkpoint(file, take)
    found = find(name, file, checkpoint, layout)
    resolved = _recipe(name, found, recipe, data, assignments)
    report, state = check(name, resolved.model, found, checkpoint)
    if not report.strict:
        raise SegkitError(f"{file} does not fit {name}", "; ".join(report.problems()))
    digest = paths.sha256(file)
    facts = {"source": file.name, "sha256": digest, "layout": found.layout, "part": found.part}
    write = _write_part(out, state, facts) if found.part else _write(out, resolved, state, facts)
    return Imported(write, report, digest, found.part, _unusual(name, resolved))


def _unusual(name: str, recipe: Recipe) -> dict[str, Any]:
    """What a network needs besides its defaults to take these weights."""
    usual = build.config_dict(build.model_config(name))
    return {key: value for key, value in recipe.model.items() if value != usual[key]}


def _recipe(
    name: str, found: BestFit, recipe: str | None, data: str | None, assignments: tuple[str, ...]
) -> Recipe:
    """The preset of the dataset, or the paper's; the network's settings as the state tells them."""
    value = build.architecture(name)
    recipe = (
        recipe or value.presets.get(data or "") or ("paper" if "paper" in value.recipes else None)
    )
    flags: dict[str, Any] = {"data": {"name": data}} if data else {}
    if found.settings:
        flags["model"] = dict(found.settings)
    return build.resolve_recipe(name, recipe, assignments, flags)


def _write(out: Path, recipe: Recipe, state: State, facts: Mapping[str, Any]) -> Path:
    """A run folder whose only fold is the checkpoint."""
    from segkit.engine.environment import describe_environment

    command = f"segkit weights import {recipe.architecture} {facts['source']}"
    plan = {"seeds": [recipe.train.seed], "folds": [0]}
    environment = describe_environment(torch.device("cpu"), command, plan, tf32=False) | {
        "imported": facts
    }
    run = write_run(out, recipe, _card(recipe), environment)
    fold = fold_dir(out, 0)
    _save(fold.best, state, facts)
    result = {"best_epoch": None, "score": None, "epochs": 0, "seconds": 0.0}
    paths.write_json(fold.result_json, result | {"imported": dict(facts)})
    return run.path


def _card(recipe: Recipe) -> dict[str, Any]:
    """What is known of the data: its name, if it was given."""
    from segkit.data import sources

    height, width = recipe.data.size
    known: dict[str, Any] = {
        "name": recipe.data.name,
        "size": [height, width],
        "resize": recipe.data.resize,
        "variant": recipe.data.variant,
    }
    if recipe.data.name is None:
        return known | {"title": "unknown (imported weights)", "classes": _class_names(recipe)}
    about = sources.dataset(recipe.data.name)
    classes = list(about.classes)
    fits = len(classes) == max(2, recipe.model["num_classes"])
    words = {"title": about.title, "licence": about.licence, "citation": about.citation}
    return known | words | {"classes": classes if fits else _class_names(recipe)}


def _class_names(recipe: Recipe) -> list[str]:
    count = max(2, recipe.model["num_classes"])
    return ["background", *(["foreground"] if count == 2 else _numbered(count))]


def _numbered(count: int) -> Iterator[str]:
    return (f"class {i}" for i in range(1, count))


def _write_part(out: Path, state: State, facts: Mapping[str, Any]) -> Path:
    """A file that `train.init` takes."""
    file = out / f"{str(facts['part']).rstrip('.')}.safetensors"
    _save(file, state, facts)
    return file


def _save(path: Path, state: State, facts: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    tensors = {key: value.detach().contiguous().clone() for key, value in state.items()}
    with paths.replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {key: str(value) for key, value in facts.items()}))


# --- out ---


def export_weights(run: Run | Path, file: Path, layout: str = "original", fold: int = 0) -> Path:
    """The weights of a run as the original program would have saved them."""
    from safetensors.torch import save

    run = open_run(run) if isinstance(run, Path) else run
    known = layouts(run.recipe.architecture)
    if layout not in known:
        raise unknown(f"layout of {run.recipe.architecture}", layout, known)
    best = run.fold(fold).best
    if not best.is_file():
        raise SegkitError(f"{best} is missing", "the fold has no checkpoint yet")
    state = known[layout].to_original(read_safetensors(best))
    with paths.replacing(file) as temporary:
        if file.suffix == ".safetensors":
            temporary.write_bytes(save(state))
        else:
            torch.save(state, temporary)
    return file
