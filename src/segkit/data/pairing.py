"""What a dataset plugin says of its pictures: which mask belongs to which image. Stdlib only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")
JUNK = ("__MACOSX", "Thumbs.db", ".DS_Store", "desktop.ini")


@dataclass(frozen=True)
class Pair:
    """One picture with the files of its mask; paths are relative to the raw folder of the dataset.

    `image=None` or no masks is a defect that is reported by id, unless `unlabelled` says that the
    publisher gives no mask. `decode` turns the decoded mask files into class indices: "union",
    "half_max", "classes", or "package.module:function" (see segkit.data.images).
    """

    id: str
    image: str | None
    masks: tuple[str, ...] = ()
    part: str = "all"
    group: str | None = None
    cls: str | None = None
    decode: str = "union"
    unlabelled: bool = False
    others: tuple[str, ...] = ()  # files of the same name that were not taken


def raw_files(root: Path, archive: str = "") -> list[str]:
    """The files of a fetched dataset, relative to its raw folder, in sorted order.

    They lie in `files/<archive without suffix>/<source>/…`; only what `source.json` lists is there
    for anybody, so that a fetch that was killed half-way shows nothing. `archive` asks for one of
    them.
    """
    known = json.loads((root / "source.json").read_text(encoding="utf-8"))
    folders = known.get("folders", [])
    wanted = [name for name in folders if not archive or name.split("/")[1] == archive]
    return sorted(f"{name}/{file}" for name in wanted for file in files_below(root / name))


def files_below(root: Path) -> list[str]:
    """All files below `root` as sorted relative paths, without what operating systems leave
    behind.
    """
    found = (path for path in root.rglob("*") if path.is_file())
    names = (path.relative_to(root).as_posix() for path in found)
    return sorted(name for name in names if not is_junk(name))


def is_junk(name: str) -> bool:
    """Whether an archive member or file is an operating system's leftover."""
    parts = name.split("/")
    return any(part in JUNK or part.startswith("._") for part in parts)


def matching(names: Iterable[str], pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
    """The files whose base name matches `pattern` whole and without regard to case."""
    compiled = re.compile(pattern, re.IGNORECASE)
    for name in names:
        found = compiled.fullmatch(name.rsplit("/", 1)[-1])
        if found:
            yield name, found


def by_key(names: Iterable[str], pattern: str) -> dict[str, list[str]]:
    """Files by the first group of `pattern`; several files of one key are kept in sorted order."""
    found: dict[str, list[str]] = {}
    for name, match in matching(names, pattern):
        found.setdefault(match.group(1), []).append(name)
    return {key: sorted(found[key]) for key in sorted(found)}


def join(
    images: Mapping[str, Sequence[str]],
    masks: Mapping[str, Sequence[str]],
    *,
    part: str = "all",
    prefix: str = "",
    unlabelled: bool = False,
) -> list[Pair]:
    """Pairs of equal keys; what has no partner stays in the list as a defect."""
    return [
        Pair(
            id=prefix + key,
            image=images[key][0] if key in images else None,
            masks=tuple(masks.get(key, ())),
            part=part,
            unlabelled=unlabelled,
            others=tuple(images.get(key, ())[1:]),
        )
        for key in sorted({*images, *masks})
    ]


def has_folder(name: str, *folders: str) -> bool:
    """Whether one of the folders (compared without case) is on the way to the file."""
    parts = [part.lower() for part in name.split("/")[:-1]]
    return any(folder.lower() in parts for folder in folders)
