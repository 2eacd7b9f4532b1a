"""A copy of a prepared set on a disk of this machine: a shared file system is read only once.

The copy stands under the set's hash, so a set that changes gets a new one. It is made under a
temporary name and renamed; processes of one machine that want the same set wait for each other.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from segkit import paths
from segkit.data.locks import locked
from segkit.data.staging import aside
from segkit.data.store import MANIFEST
from segkit.errors import SegkitError


def nearby(root: Path, cache: str) -> Path:
    """The copy of the prepared set `root` below the folder `cache`; made if it is not there."""
    mark = str(paths.read_json(root / MANIFEST).get("hash") or paths.sha256(root / MANIFEST))
    base = Path(os.path.expandvars(cache)).expanduser() / "segkit" / root.parent.name / root.name
    place = base / mark[:16]
    if (place / MANIFEST).is_file():
        return place
    try:
        with locked(base / ".lock"):
            if not (place / MANIFEST).is_file():
                _copy(root, place)
    except OSError as error:
        raise SegkitError(
            f"no copy of {root} in {cache}",
            error.strerror or str(error),
            "Choose another `cache` in the cluster file, or leave it out.",
        ) from error
    return place


def _copy(root: Path, place: Path) -> None:
    with aside(place.parent) as folder:
        made = folder / place.name
        made.mkdir()
        for file in root.iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, made / file.name)
        made.rename(place)
