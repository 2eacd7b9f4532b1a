"""What is on this machine: raw folders of fetched and imported datasets, prepared sets. Stdlib
only.

A raw folder counts when its `source.json` is there: it is written last, so a half-fetched set is
never visible.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit import paths, plugins
from segkit.api import Dataset
from segkit.errors import SegkitError, unknown

SOURCE = "source.json"
IMPORTED = "segkit.data.imports.matching:pairs"


def source(name: str) -> dict[str, Any] | None:
    """What is known of the raw files of a dataset; None if it was neither fetched nor imported."""
    path = paths.raw(name) / SOURCE
    if not path.is_file():
        return None
    value: dict[str, Any] = paths.read_json(path)
    return value


def fetched() -> list[str]:
    """The datasets whose raw files are here."""
    folder = paths.home() / "raw"
    return sorted(path.parent.name for path in folder.glob(f"*/{SOURCE}"))


def prepared_roots(name: str) -> list[Path]:
    """The prepared forms of a dataset."""
    return sorted(path.parent for path in paths.prepared(name).glob("*/manifest.json"))


def prepared_names() -> list[str]:
    """The datasets with a prepared form."""
    folder = paths.home() / "prepared"
    return sorted({path.parent.parent.name for path in folder.glob("*/*/manifest.json")})


def dataset(name: str) -> Dataset:
    """The description of a dataset: a plugin's, or that of an imported folder."""
    known = source(name)
    if known is not None and known.get("kind") == "import":
        return _imported(name, known)
    if name not in plugins.names("datasets"):
        raise unknown("dataset", name, all_names())
    value: Dataset = plugins.get("datasets", name)
    return value


def all_names() -> list[str]:
    """Catalogue and imports together."""
    imports = [name for name in fetched() if (source(name) or {}).get("kind") == "import"]
    return sorted({*plugins.names("datasets"), *imports})


def is_builtin(name: str) -> bool:
    """Whether the pictures are drawn by the program."""
    return name in plugins.names("datasets") and plugins.get("datasets", name).generate is not None


def choose(name: str | None) -> str:
    """The dataset that was asked for, or the only one that is here."""
    if name is not None:
        return name
    here = fetched()
    if len(here) == 1:
        return here[0]
    if not here:
        raise SegkitError(
            "no dataset is fetched",
            "--data was left out",
            "Try --data demo (built in), or: segkit data list",
        )
    raise SegkitError(
        "--data was left out and several datasets are fetched",
        ", ".join(here),
        "Name one with --data, for example --data " + here[0] + " (or --data demo).",
    )


def _imported(name: str, known: dict[str, Any]) -> Dataset:
    return Dataset(
        name=name,
        title=known.get("title") or name,
        summary="imported from " + known.get("origin", "a folder"),
        modality=known.get("modality", ""),
        pair=IMPORTED,
        classes=tuple(known.get("classes", ("background", "foreground"))),
        licence=known.get("licence", ""),
        citation=known.get("citation", ""),
        counts=known.get("counts", {}),
    )
