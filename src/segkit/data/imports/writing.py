"""Writing an import: masks drawn, files copied, then `source.json`, which makes it visible."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.data import sources, staging
from segkit.data.imports.matching import Proposal, check_name
from segkit.data.locks import locked
from segkit.data.pairing import Pair
from segkit.errors import SegkitError

FILES = "files"


def write(proposal: Proposal, copy: bool = False, title: str = "", licence: str = "") -> Path:
    """All of the import or, if drawing or copying fails, what was there before."""
    check_name(proposal.name)
    root = paths.raw(proposal.name)
    root.mkdir(parents=True, exist_ok=True)
    _refuse_own_files(proposal, root)
    with (
        locked(root.parent / f".{proposal.name}.lock"),
        staging.aside(root) as aside,
    ):
        if proposal.draw:
            proposal.draw(aside)
        kept = _copies(proposal.pairs, aside) if copy else list(proposal.pairs)
        _take_place(root, aside, kept, _described(proposal, title, licence))
    return root / sources.SOURCE


def _copies(pairs: Sequence[Pair], aside: Path) -> list[Pair]:
    names = file_names(pair.id for pair in pairs)
    return [_copied(pair, aside, name) for pair, name in zip(pairs, names, strict=True)]


def file_names(ids: Iterable[str]) -> list[str]:
    """A plain file name for each id, none twice, also where upper and lower case are one."""
    used: set[str] = set()
    found = []
    for text in ids:
        base = re.sub(r"[^\w.\-]+", "_", text)[:150]
        name, number = base, 1
        while name.lower() in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name.lower())
        found.append(name)
    return found


def _refuse_own_files(proposal: Proposal, root: Path) -> None:
    """A new import takes the place of the old files: it cannot be made of them."""
    inside = root.resolve() / FILES
    for pair in proposal.pairs:
        for name in filter(None, (pair.image, *pair.masks)):
            if Path(name).is_absolute() and Path(name).is_relative_to(inside):
                raise SegkitError(
                    f"'{proposal.name}' would be made of its own copies",
                    f"{name} would be replaced",
                    "Import from the original files, or under another name.",
                )


def _copied(pair: Pair, aside: Path, name: str) -> Pair:
    """The pair with its files inside the raw folder."""

    def take(file: str, kind: str, number: int) -> str:
        if not Path(file).is_absolute():  # drawn
            return file
        last = f"{name}{f'_{number}' if number else ''}{Path(file).suffix}"
        target = Path(FILES, kind, re.sub(r"\W+", "_", pair.part), last)
        (aside / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, aside / target)
        return target.as_posix()

    image = take(pair.image, "images", 0) if pair.image else None
    masks = tuple(take(file, "masks", number) for number, file in enumerate(pair.masks))
    return replace(pair, image=image, masks=masks)


def _described(proposal: Proposal, title: str, licence: str) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for pair in proposal.complete:
        counts[pair.part] = counts.get(pair.part, 0) + 1
    return {
        "kind": "import",
        "name": proposal.name,
        "title": title or proposal.name,
        "origin": proposal.origin,
        "classes": list(proposal.classes),
        "licence": licence,
        "counts": counts,
        "archives": [],
        "folders": [],
    }


def _take_place(root: Path, aside: Path, pairs: list[Pair], source: dict[str, Any]) -> None:
    """Only renames are left to do: the old import goes, the new one is there."""
    (root / sources.SOURCE).unlink(missing_ok=True)
    if (root / FILES).exists():
        shutil.rmtree(root / FILES)
    if (aside / FILES).exists():
        (aside / FILES).rename(root / FILES)
    paths.write_json(root / "pairs.json", [asdict(pair) for pair in pairs])
    paths.write_json(root / sources.SOURCE, source)
