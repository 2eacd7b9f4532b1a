"""Archives and folders that are already here: which official archive is which, however they are
named or nested.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from segkit.api import Archive, Dataset
from segkit.data.fetching import archives
from segkit.data.pairing import files_below
from segkit.errors import SegkitError, UsageError


@dataclass(frozen=True)
class Taken:
    """A local file or folder that stands for (a piece of) an official archive."""

    archive: Archive
    path: Path
    files: tuple[str, ...] = ()  # of a folder: the files to take, relative to it
    url: str = ""  # where it was downloaded; empty: it was here
    within: str = ""  # of a file that holds several official archives: the folder that is this one

    @property
    def members(self) -> str:
        """The regular expression of the members to take."""
        if not self.within:
            return self.archive.members
        return rf"(?:^|/){re.escape(self.within)}/.*(?:{self.archive.members})"


def find(dataset: Dataset, places: Sequence[Path]) -> list[Taken]:
    """What of the dataset lies in the places that were named."""
    taken: list[Taken] = []
    for place in places:
        if not place.exists():
            raise UsageError(f"--from {place} does not exist")
    for place in _packed_first(places):
        packed = _packed_below(place)
        for path in packed:
            taken += _archives_of(path, dataset)
        if place.is_dir():
            taken += _trees(dataset, place, taken)
    if not taken:
        raise SegkitError(
            f"nothing of {dataset.name} was found in {', '.join(map(str, places))}",
            "expected " + ", ".join(archive.name for archive in dataset.archives),
            f"See: segkit data info {dataset.name}",
        )
    return taken


def _packed_first(places: Sequence[Path]) -> list[Path]:
    """Archives before folders, so that an unpacked copy beside its archive is not taken too."""
    return sorted(places, key=lambda place: place.is_dir())


def _packed_below(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = (path for path in place.rglob("*") if path.is_file() and archives.is_archive(path))
    return sorted(found)


def _archives_of(path: Path, dataset: Dataset) -> list[Taken]:
    """What a local archive stands for: by its name, else by the folders inside, else by its
    members.
    """
    by_name = _longest(dataset.archives, archives.stem(path.name).lower())
    if by_name:
        return [Taken(by_name, path)]
    members = archives.names(path)
    inside = {part.lower(): part for name in members for part in name.split("/")[:-1]}
    stems = {a.name: archives.stem(a.name).lower() for a in dataset.archives}
    named = [a for a in dataset.archives if stems[a.name] in inside and _count(a, members)]
    if named:
        return [Taken(a, path, within=inside[stems[a.name]]) for a in named]
    first = dataset.archives[0].part if dataset.archives else ""
    fitting = [a for a in dataset.archives if a.part == first and _count(a, members)]
    return [Taken(a, path) for a in fitting]


def _longest(known: Iterable[Archive], name: str) -> Archive | None:
    """The archive whose name `name` begins with (copies are called 'x (1).zip',
    'x.part1of2.zip').
    """
    fitting = [a for a in known if name.startswith(archives.stem(a.name).lower())]
    return max(fitting, key=lambda a: len(a.name), default=None)


def _count(archive: Archive, names: Iterable[str]) -> int:
    wanted = re.compile(archive.members, re.IGNORECASE)
    return sum(1 for name in names if wanted.search(name))


def short_names(names: Iterable[str]) -> set[str]:
    """Files by name and the folder they are in; copies of an archive differ in what is above."""
    return {"/".join(name.split("/")[-2:]) for name in names}


def _trees(dataset: Dataset, place: Path, here: Sequence[Taken]) -> list[Taken]:
    """Unpacked archives below a folder: by the official folder names, else everything that fits.

    A tree of which an archive holds every file is its unpacked copy, and not taken too.
    """
    names = [n for n in files_below(place) if not archives.is_archive(Path(n))]
    packed = [item for item in here if not item.files]
    taken = []
    for archive in dataset.archives:
        wanted = archives.stem(archive.name).lower()
        mine = [n for n in names if wanted in f"{place.name}/{n}".lower().split("/")[:-1]]
        mine = [n for n in mine if re.search(archive.members, n, re.IGNORECASE)]
        mine_too = [archives.names(i.path) for i in packed if i.archive.name == archive.name]
        if mine and not short_names(mine) <= short_names(chain.from_iterable(mine_too)):
            taken.append(Taken(archive, place, tuple(mine)))
    if taken or here:
        return taken
    return _unnamed_tree(dataset, place, names)


def _unnamed_tree(dataset: Dataset, place: Path, names: Sequence[str]) -> list[Taken]:
    """A tree without the official folder names: it stands for the archives of the first part."""
    part = dataset.archives[0].part if dataset.archives else "all"
    taken = []
    for archive in dataset.archives:
        mine = tuple(n for n in names if re.search(archive.members, n, re.IGNORECASE))
        if archive.part == part and mine:
            taken.append(Taken(archive, place, mine))
    return taken


def copy_tree(taken: Taken, folder: Path) -> int:
    """The files of a local folder, hard-linked where the disk allows it, else copied."""
    for name in taken.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(taken.path / name, target)
        except OSError:
            shutil.copyfile(taken.path / name, target)
    return len(taken.files)
