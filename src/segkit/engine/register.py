"""Trained networks by name: wherever a run folder may stand, the name of one may stand too.

A trained network is a small run folder in a package. Every file is held against its SHA-256 before
it is used; what is not in the package is fetched once, below `$SEGKIT_HOME/models`. No torch here.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import shutil
from pathlib import Path
from typing import Any

from segkit import paths, plugins
from segkit.api import TrainedModel
from segkit.engine import hub
from segkit.errors import SegkitError, nearest

FORMAT = 1  # of the folder; a later one is refused
GRAPH = "model.onnx"  # the same network for ONNX Runtime: it answers without torch


EXAMPLE = "example"  # a picture to try it on, of whatever suffix


def is_name(target: Path | str) -> bool:
    """Whether this is no run or file here, but a trained network by its name or address."""
    if hub.is_address(target):
        return True
    here = Path(target)
    is_run = here.is_file() or (here / "recipe.json").is_file()
    return not is_run and str(target) in plugins.discover("models")


def is_packed(target: Path | str) -> bool:
    """Whether it answers by its packed graph: a name, an address, or a folder as they stand for."""
    return is_name(target) or (Path(target) / hub.DESCRIPTION).is_file()


def place(target: Path | str) -> Path:
    """The run folder that a path, a trained network's name or its hf:// address stands for."""
    if hub.is_address(target):
        return hub.folder(target)
    return folder(plugins.get("models", str(target))) if is_name(target) else Path(target)


def described(name: str) -> tuple[Path, dict[str, Any]]:
    """Folder and facts of a trained network by its name or address."""
    if hub.is_address(name):
        where = hub.folder(name)
        return where, paths.read_json(where / hub.DESCRIPTION)
    model = plugins.get("models", name)
    return folder(model), dataclasses.asdict(model)


def example(name: str) -> Path | None:
    """The picture that a trained network brings to be tried on."""
    return next(iter(sorted(place(name).glob(f"{EXAMPLE}.*"))), None)


def hint(target: Path | str) -> str:
    """For errors: the trained networks that look like a name which is neither run nor file."""
    close = nearest(str(target), plugins.names("models"))
    return f"did you mean the trained network '{close[0]}'?" if close else ""


def folder(model: TrainedModel) -> Path:
    """The folder of a trained network, every file checked."""
    if model.format > FORMAT:
        raise SegkitError(
            f"trained network '{model.name}' is of format {model.format}",
            f"this segkit knows {FORMAT}",
            "Install a newer segkit.",
        )
    packaged = Path(str(importlib.resources.files(model.package).joinpath(model.folder)))
    absent = [name for name in model.files if not (packaged / name).is_file()]
    where = _completed(model, packaged, absent) if absent else packaged
    for name, digest in model.files.items():
        _check(model, where / name, digest)
    return where


def _check(model: TrainedModel, file: Path, digest: str) -> None:
    found = paths.sha256(file)
    if found != digest:
        raise SegkitError(
            f"trained network '{model.name}' is damaged: nothing was loaded",
            f"{file} has the SHA-256 {found[:12]}…, not {digest[:12]}…",
            "Install its distribution again, or delete the file if it was fetched.",
        )


def _completed(model: TrainedModel, packaged: Path, absent: list[str]) -> Path:
    """A folder below `$SEGKIT_HOME` with the package's files and those fetched."""
    if not model.address:
        raise SegkitError(
            f"trained network '{model.name}' is incomplete",
            f"{packaged / absent[0]} is missing and has no address",
            "Install its distribution again.",
        )
    where = paths.home() / "models" / f"{model.name}-{paths.short_hash(dict(model.files))}"
    for name, digest in model.files.items():
        target = where / name
        if not target.is_file() and (packaged / name).is_file():
            with paths.replacing(target) as temporary:
                shutil.copyfile(packaged / name, temporary)
        elif not target.is_file():
            _fetch(f"{model.address.rstrip('/')}/{name}", digest, target)
    return where


def _fetch(address: str, digest: str, target: Path) -> None:
    """One file from its address; pooch checks it before it gets its name."""
    import pooch
    import requests

    try:
        pooch.retrieve(address, f"sha256:{digest}", fname=target.name, path=target.parent)
    except (ValueError, OSError, requests.RequestException) as error:
        why = str(error).splitlines()[0]
        raise SegkitError(f"{address} cannot be fetched", why, "Try again later.") from error
