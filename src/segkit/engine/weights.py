"""Checkpoints of the original repositories: in as a segkit run, out again with the same bits.

An architecture's `weights` is a layout, or a mapping of layouts by name ("original" first). A
layout has `to_segkit(state)` and `to_original(state)`, and may have `settings(state)` (what a state
in our names tells of the network), `recognises(state)` and `prefix` (the part that it covers).
Everything is strict: a name or shape that does not fit is reported, and nothing is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit import build, paths
from segkit.api import resolve
from segkit.engine.runs import Run, fold_dir, open_run, write_run
from segkit.errors import SegkitError, UsageError, unknown
from segkit.recipe import Recipe

State = dict[str, Tensor]
WRAPPERS = ("state_dict_model", "state_dict", "model_state_dict", "model")
SHOWN = 5  # names per line of a report


@dataclass(frozen=True)
class Report:
    """How a state fits a network."""

    layout: str
    fitting: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    ignored: int = 0  # entries that the layout leaves out on purpose

    @property
    def strict(self) -> bool:
        """Every tensor has its place, and every place its tensor."""
        return not (self.missing or self.unexpected or self.misshapen)

    def lines(self) -> list[str]:
        """The report in words."""
        left = f", {self.ignored} left out" if self.ignored else ""
        lines = [f"layout {self.layout}: {self.fitting} tensors fit{left}"]
        for kind in ("missing", "unexpected", "misshapen"):
            names = getattr(self, kind)
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines += [f"{kind}: {', '.join(names[:SHOWN])}{more}"] if names else []
        return lines


@dataclass(frozen=True)
class Imported:
    """What an import found and wrote."""

    path: Path  # a run folder, or the file of a part
    report: Report
    sha256: str
    part: str  # "" for a whole network
    settings: Mapping[str, Any]  # of the network, where they are not its usual ones


# --- reading ---


def read_checkpoint(path: Path) -> State:
    """The tensors of a checkpoint file; nothing in it is executed."""
    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, _unpickling_error()) as error:
        raise SegkitError(
            f"{path} cannot be read as weights only",
            str(error).splitlines()[0],
            "Save a plain state_dict, or a safetensors file, with the program that made it.",
        ) from error
    return _tensors(content, path)


def _unpickling_error() -> type[Exception]:
    import pickle

    return pickle.UnpicklingError


def _numpy_scalars() -> list[Any]:
    """Training checkpoints hold NumPy numbers among their best values; they are harmless."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
    return [*kinds, (scalar, "numpy.core.multiarray.scalar"), scalar]


def _tensors(content: Any, path: Path) -> State:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if key in content), None)
        if not isinstance(inner, Mapping):
            break
        content = inner
    state = dict(content) if isinstance(content, Mapping) else {}
    state = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not state:
        raise SegkitError(f"{path} holds no tensors by name", "it is no state_dict")
    return state


# --- fitting ---


def layouts(name: str) -> Mapping[str, Any]:
    """The checkpoint layouts of an architecture by name."""
    weights = build.architecture(name).weights
    if weights is None:
        raise UsageError(f"{name} has no original checkpoint layout")
    found = resolve(weights)
    return found if isinstance(found, Mapping) else {"original": found}


def choose_layout(name: str, state: State, wanted: str | None = None) -> str:
    """The layout asked for, or the one whose names the state has."""
    known = layouts(name)
    if wanted is not None:
        if wanted not in known:
            raise unknown(f"layout of {name}", wanted, known)
        return wanted
    fitting = (key for key, layout in known.items() if _recognises(layout, state))
    return next(fitting, next(iter(known)))


def _recognises(layout: Any, state: State) -> bool:
    return bool(layout.recognises(state)) if hasattr(layout, "recognises") else True


def compare(network: nn.Module, state: State, layout: str, part: str = "") -> Report:
    """Names and shapes of a state (our names) against the network below `part`."""
    places = {k: v.shape for k, v in network.state_dict().items() if k.startswith(part)}
    shared = [name for name in state if name in places]
    misshapen = tuple(
        f"{name} {tuple(state[name].shape)} for {tuple(places[name])}"
        for name in shared
        if state[name].shape != places[name]
    )
    return Report(
        layout,
        fitting=len(shared) - len(misshapen),
        missing=tuple(sorted(places.keys() - state.keys())),
        unexpected=tuple(sorted(state.keys() - places.keys())),
        misshapen=misshapen,
    )


# --- in ---


def import_weights(
    name: str,
    file: Path,
    out: Path,
    *,
    layout: str | None = None,
    recipe: str | None = None,
    data: str | None = None,
    assignments: tuple[str, ...] = (),
) -> Imported:
    """Write a run (or, for a layout of a part, a file to start training from) at `out`."""
    if (out / "recipe.json").exists():
        raise UsageError(f"{out} is a run already", None, "Choose another --out.")
    original = read_checkpoint(file)
    layout = choose_layout(name, original, layout)
    rules = layouts(name)[layout]
    state, part = rules.to_segkit(original), getattr(rules, "prefix", "")
    resolved = _recipe(name, rules, state, recipe, data, assignments)
    network = build.create(name, **resolved.model)
    report = compare(network, state, layout, part)
    report = dataclasses.replace(report, ignored=len(original) - len(state))
    if not report.strict:
        raise SegkitError(f"{file} does not fit {name}", "; ".join(report.lines()))
    network.load_state_dict(state, strict=not part)
    digest = paths.sha256(file)
    facts = {"source": file.name, "sha256": digest, "layout": layout, "part": part}
    written = _write_part(out, state, facts) if part else _write(out, resolved, state, facts)
    return Imported(written, report, digest, part, _unusual(name, resolved))


def _unusual(name: str, recipe: Recipe) -> dict[str, Any]:
    """What a network needs besides its defaults to take these weights."""
    usual = build.config_dict(build.model_config(name))
    return {key: value for key, value in recipe.model.items() if value != usual[key]}


def _recipe(
    name: str,
    rules: Any,
    state: State,
    recipe: str | None,
    data: str | None,
    assignments: tuple[str, ...],
) -> Recipe:
    """The preset of the dataset, or the paper's; the network's settings as the state tells them."""
    value = build.architecture(name)
    recipe = recipe or value.presets.get(data or "") or ("paper" if value.recipes else None)
    flags: dict[str, Any] = {"data": {"name": data}} if data else {}
    if hasattr(rules, "settings"):
        try:
            flags["model"] = rules.settings(state)
        except KeyError as error:
            raise SegkitError(
                f"this is no checkpoint of {name}", f"it has no tensor {error}"
            ) from error
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
    from safetensors.torch import load_file, save

    run = open_run(run) if isinstance(run, Path) else run
    known = layouts(run.recipe.architecture)
    if layout not in known:
        raise unknown(f"layout of {run.recipe.architecture}", layout, known)
    best = run.fold(fold).best
    if not best.is_file():
        raise SegkitError(f"{best} is missing", "the fold has no checkpoint yet")
    state = known[layout].to_original(load_file(best))
    with paths.replacing(file) as temporary:
        if file.suffix == ".safetensors":
            temporary.write_bytes(save(state))
        else:
            torch.save(state, temporary)
    return file
