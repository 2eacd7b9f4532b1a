"""From the words of a command line to a recipe and a run folder, without torch and numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit import build, paths, plugins
from segkit.api import Architecture
from segkit.data import sources
from segkit.engine import pretrained, register
from segkit.engine.runs import Run
from segkit.engine.teaching import teacher
from segkit.engine.training import schedule
from segkit.errors import SegkitError, UsageError
from segkit.recipe import Recipe, from_dict, merge, parse_set, read_settings

SPLITTING = ("folds", "split", "split_file")  # one of them replaces the others


@dataclass(frozen=True)
class Request:
    """A recipe, and lines that say what was decided on the way."""

    recipe: Recipe
    notes: list[str] = field(default_factory=list)


def resolve(
    architecture: str,
    recipe: str | None = None,
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    assignments: Sequence[str] = (),
) -> Request:
    """The recipe that is asked for, checked: names, types, contradictions, sizes."""
    value = build.architecture(architecture)
    build.require(value)
    if recipe is not None and recipe not in value.recipes and register.is_name(recipe):
        recipe = str(register.place(recipe) / "recipe.json")
    given = {name: _given(section) for name, section in (flags or {}).items()}
    notes: list[str] = []
    data = _choose(given.get("data", {}).get("name") or _data_of(recipe, assignments))
    sources.dataset(data)
    chosen = recipe or _usual_recipe(value, data, notes)
    base = build.recipe_settings(value, chosen)
    given = merge(given, {"data": {"name": data, **_variant(given, base)}})
    given["data"].pop("options", None)
    given = merge(_unsplit(given), given)
    given = merge(_chosen_on_validation(given, base, assignments, notes), given)
    given = merge(_protocol_settings(given, base, data, notes), given)
    given = merge(_rescaled(base, given, notes), given)
    resolved = build.resolve_recipe(architecture, chosen, assignments, given)
    check(value, resolved)
    return Request(resolved, [*notes, *_frozen_at_random(resolved)])


def _frozen_at_random(recipe: Recipe) -> list[str]:
    """A frozen part is meant to be pretrained; without weights to start from, say so."""
    train = recipe.train
    if train.init or not train.freeze or not train.freeze_epochs:
        return []
    return [
        f"'{train.freeze}' rests for {train.freeze_epochs} epochs with random weights: give some "
        "with --set train.init=…, or train it at once with --set train.freeze_epochs=0"
    ]


def _choose(name: str | None) -> str:
    """The dataset that is named, or the only one that is here; anything else is wrong usage."""
    try:
        return sources.choose(name)
    except UsageError:
        raise
    except SegkitError as error:
        raise UsageError(error.what, error.why, error.cure) from error


def _given(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}


def _data_of(recipe: str | None, assignments: Sequence[str]) -> str | None:
    """The dataset that a recipe file or `--set data.name=…` names."""
    settings: dict[str, Any] = {}
    if recipe is not None and recipe.endswith((".toml", ".json")):
        settings = read_settings(recipe)
    for assignment in assignments:
        settings = merge(settings, parse_set(assignment))
    data = settings.get("data", {})
    return data.get("name") if isinstance(data, Mapping) else None


def _usual_recipe(value: Architecture, data: str, notes: list[str]) -> str | None:
    """The recipe of the network for this dataset, else the paper's."""
    name = value.presets.get(data) or ("paper" if "paper" in value.recipes else None)
    if name:
        notes.append(f"recipe: {value.name}'s '{name}' (another: --recipe)")
    return name


def _variant(given: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """The dataset's options join its variant, as recipes write it: original+classes=three."""
    from segkit.data.preparing.options import parse_variant

    section = given.get("data", {})
    of_recipe = str(base.get("data", {}).get("variant", "original"))
    variant, options = parse_variant(str(section.get("variant", of_recipe)))
    options |= section.get("options") or {}
    if not section.get("options") and "variant" not in section:
        return {}
    return {"variant": "+".join([variant, *(f"{key}={options[key]}" for key in sorted(options))])}


def _unsplit(given: Mapping[str, Any]) -> dict[str, Any]:
    """A split asked for on the command line replaces every other way to split."""
    asked = [key for key in SPLITTING if key in given.get("data", {})]
    return {"data": dict.fromkeys(SPLITTING)} if asked else {}


def _chosen_on_validation(
    given: Mapping[str, Any], base: Mapping[str, Any], assignments: Sequence[str], notes: list[str]
) -> dict[str, Any]:
    """A recipe that selects on its protocol's test part selects on validation in a plain split."""
    asked = dict(given)
    for assignment in assignments:
        asked = merge(asked, parse_set(assignment))
    section = asked.get("data", {})
    ways = [f"{key} {section[key]}" for key in SPLITTING if section.get(key) is not None]
    of_recipe = base.get("train", {}).get("select_on") == "test"
    if not ways or not of_recipe or "select_on" in asked.get("train", {}):
        return {}
    name = section.get("protocol") or base.get("data", {}).get("protocol")
    rule = f"protocol {name} is not followed" if name else "the recipe's own split is not used"
    notes.append(
        f"{rule} ({ways[0]} is asked for): the validation part chooses the checkpoint, not the "
        "test part (--select-on test for the recipe's way)"
    )
    return {"train": {"select_on": "val"}}


def _protocol_settings(
    given: Mapping[str, Any], base: Mapping[str, Any], data: str, notes: list[str]
) -> dict[str, Any]:
    """A protocol asked for by name brings its size and way to resize."""
    name = given["data"].get("protocol")
    if name is None:
        return {}
    from segkit.data.splitting.protocols import protocol

    found = protocol(name)
    size = found.size_for(data)
    if size is None or "size" in given["data"]:
        return {}
    notes.append(f"protocol {name}: {size[0]}x{size[1]}, {found.resize}")
    return {"data": {"size": list(size), "resize": found.resize}}


def _rescaled(base: dict[str, Any], given: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """`--epochs` stretches or shrinks what the recipe counts in epochs."""
    before, after = from_dict(_plain(base)), given.get("train", {}).get("epochs")
    if after is None or after == before.train.epochs or "schedule" not in base:
        return {}
    changed, words = schedule.rescaled(before.schedule, before.train.epochs, after)
    settings: dict[str, Any] = {"schedule": changed}
    if before.train.freeze_epochs:
        frozen = round(before.train.freeze_epochs * after / before.train.epochs)
        settings["train"] = {"freeze_epochs": frozen}
        words.append(f"train.freeze_epochs {before.train.freeze_epochs} → {frozen}")
    if words:
        notes.append(f"{before.train.epochs} → {after} epochs: " + ", ".join(words))
    return settings


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "architecture"}


def check(value: Architecture, recipe: Recipe) -> None:
    """What can be refused before anything heavy is imported."""
    config = build.model_config(value.name, recipe.model)
    fixed = value.fixed_size(config) if value.fixed_size else None
    if fixed and tuple(fixed) != tuple(recipe.data.size):
        raise UsageError(
            f"data.size is {_by(recipe.data.size)}", f"{value.name} as set takes only {_by(fixed)}"
        )
    if min(recipe.data.size) < 16:
        raise UsageError(f"data.size is {_by(recipe.data.size)}", "at least 16 pixels are needed")
    if recipe.data.protocol is not None:
        plugins.get("protocols", recipe.data.protocol)
    _check_augmentation(recipe.data.augment)
    _check_losses(recipe, getattr(config, "num_classes", 1))
    if recipe.distil.teacher:
        teacher.find(recipe.distil.teacher)
    init = recipe.train.init
    if init and not _init_exists(init):
        names = ", ".join(pretrained.KNOWN)
        raise UsageError(
            f"train.init is '{init}'",
            "there is no such file or run",
            register.hint(init) or f"Known weights: {names}.",
        )


def _init_exists(init: str) -> bool:
    """A file, a run, a trained network or known weights, each perhaps with `:part`."""
    named = (init, init.rpartition(":")[0])
    return any(
        name and (Path(name).exists() or register.is_name(name) or name in pretrained.KNOWN)
        for name in named
    )


def _check_losses(recipe: Recipe, logits: int) -> None:
    """Two classes may be told apart by one logit, which not every loss can do with."""
    binary = _classes(recipe) == 2
    for term in recipe.loss.named().values() if binary else ():
        least = plugins.get("losses", term["name"]).min_logits
        if logits < least:
            raise UsageError(
                f"loss '{term['name']}' needs {least} logits",
                f"model.num_classes is {logits}",
                f"Use --set model.num_classes={least}, or --set loss.name=bce_dice.",
            )


def _classes(recipe: Recipe) -> int:
    """How many classes the set has under the options of the recipe; unknown options are errors."""
    from segkit.data.preparing.options import all_options, checked_options

    dataset = sources.dataset(str(recipe.data.name))
    options = checked_options(dataset, recipe.data.variant, {})[1]
    one_front = all_options(dataset, options).get("classes") == "binary"
    return 2 if one_front else len(dataset.classes)


def _check_augmentation(name: str) -> None:
    """A policy by name, or the file of a saved pipeline, which must be there."""
    from segkit.data.augmenting.names import SUFFIXES

    if name.endswith(SUFFIXES):
        if not Path(name).is_file():
            raise UsageError(f"augmentation file {name} is missing")
    else:
        plugins.get("augmentations", name)


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


# --- run folders ---


def run_name(recipe: Recipe) -> str:
    """The usual name of a run."""
    return f"{recipe.architecture}-{Path(recipe.data.name or 'data').name}"


def folder(recipe: Recipe, out: Path | None, resume: bool) -> Path:
    """Where the run goes: `--out`, the newest of its name (resume), or a fresh name in ./runs."""
    if out is not None:
        return out
    name, root = run_name(recipe), paths.runs()
    if not resume:
        return free_folder(root, name)
    found = newest_run(root, name)
    if found is None:
        raise UsageError(f"no run '{name}' to resume in {root}", None, "Name it with --out.")
    return found


def free_folder(root: Path, name: str) -> Path:
    """`root/name`, or with the first free number behind it."""
    numbers = ["", *(f"-{i}" for i in range(2, 10_000))]
    return next(root / f"{name}{n}" for n in numbers if not (root / f"{name}{n}").exists())


def newest_run(root: Path, name: str) -> Path | None:
    """The latest of the runs `name`, `name-2`, …"""
    tails = {p.parent: p.parent.name[len(name) :] for p in root.glob(f"{name}*/recipe.json")}
    fitting = [p for p, tail in tails.items() if not tail or tail.removeprefix("-").isdigit()]
    return max(fitting, key=lambda path: paths.natural_key(path.name), default=None)


def resolve_for_run(
    architecture: str,
    recipe: str | None,
    flags: Mapping[str, Mapping[str, Any]],
    assignments: Sequence[str],
    out: Path | None,
    resume: bool,
    usual: str | None = None,
) -> tuple[Request, Path]:
    """The recipe and its run folder; `--resume` without settings takes the run's own recipe.

    `usual`: the recipe where none is asked for, instead of the network's own.
    """
    settings = {(a, b): v for a, part in flags.items() for b, v in part.items() if v is not None}
    data = settings.pop(("data", "name"), None) or (_data_of(usual, ()) if resume else None)
    taught_by = settings.pop(("distil", "teacher"), None)
    if resume and not (recipe or assignments or settings):
        kept = out or newest_run(paths.runs(), f"{architecture}-{_choose(data)}")
        if kept is not None and (kept / "recipe.json").is_file():
            found = Run(kept).recipe
            _same_architecture(found, architecture, kept)
            _same_teacher(found, taught_by, kept)
            return Request(found, [f"resuming {kept} under its own recipe"]), kept
    if usual and not recipe:  # a teacher's own teacher is not the pupil's
        flags = merge(flags, {"distil": {"sha256": ""}})
    asked = resolve(architecture, recipe or usual, flags, assignments)
    _present(str(asked.recipe.data.name))
    return asked, folder(asked.recipe, out, resume)


def _present(data: str) -> None:
    """Raw files (or drawn pictures) must be here before anything heavy is loaded."""
    if Path(data).is_dir() or sources.is_builtin(data) or sources.source(data) is not None:
        return
    raise UsageError(f"{data} is not on this machine", None, f"Run: segkit data fetch {data}")


def _same_teacher(recipe: Recipe, name: str | None, run: Path) -> None:
    if name is not None and recipe.distil.teacher != name:
        whom = recipe.distil.teacher or "the masks alone"
        raise UsageError(f"{run} is taught by {whom}, not by {name}")


def _same_architecture(recipe: Recipe, name: str, run: Path) -> None:
    if recipe.architecture != name:
        raise UsageError(f"{run} is a run of {recipe.architecture}, not of {name}")
