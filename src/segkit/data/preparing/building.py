"""Carrying a preparation out: rows into a work folder, then the manifest, then the rename."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from segkit import __version__, paths
from segkit.api import Dataset
from segkit.data import sources
from segkit.data.copies import duplicates, tiles
from segkit.data.copies.hashing import FINE_SIDE, SIDE
from segkit.data.preparing.options import all_options
from segkit.data.preparing.packed import PackedWriter
from segkit.data.preparing.reading import Read
from segkit.data.store import FORMAT, MANIFEST, PreparedSet
from segkit.errors import SegkitError


class PrepareProgress(Protocol):
    """What a caller passes to draw progress; see segkit.cli._console.Ticker."""

    def total(self, amount: float) -> None: ...
    def advance(self, amount: float = 1) -> None: ...
    def describe(self, text: str) -> None: ...


STAMP = ".stamp"


def is_current(root: Path, stamp: str) -> bool:
    """Whether the prepared set is there, whole, and made of these very files."""
    files = (MANIFEST, "images.npy", "masks.npy", "thumbnails.npy", STAMP)
    if not all((root / file).is_file() for file in files):
        return False
    return (root / STAMP).read_text(encoding="utf-8") == stamp


def build(
    root: Path,
    stamp: str,
    dataset: Dataset,
    plan: dict[str, Any],
    run: Callable[[int, int], Iterator[Read]],
    workers: int,
    progress: PrepareProgress | None,
) -> None:
    """Rows into a work folder that a later try continues, then manifest, then the rename."""
    work = root.parent / f".{root.name}.{stamp[:12]}.work"
    for stale in root.parent.glob(f".{root.name}.*.work"):
        if stale != work:
            shutil.rmtree(stale)
    writer = PackedWriter(work, _arrays(plan))
    if progress:
        progress.total(len(plan["files"]) if "files" in plan else int(plan["options"]["count"]))
        progress.advance(len(writer.items))
    try:
        seen = {item["id"] for item in writer.items}
        for read in run(len(writer.items), workers):
            writer.add(*_unless_twice(read, seen))
            if progress:
                progress.advance()
    except BaseException:
        writer.abandon()
        raise
    writer.close()
    _finish(root, work, stamp, dataset, plan, writer)


def _arrays(plan: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    size = tuple(plan["size"])
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {
        "images.npy": ("u1", (*size, 3)),
        "masks.npy": ("u1", size),
        "thumbnails.npy": ("u1", (SIDE, SIDE)),
        "details.npy": ("u1", (FINE_SIDE, FINE_SIDE)),
    }
    if plan["options"].get("instances") == "yes":
        arrays["instances.npy"] = ("<u2", size)
    return arrays


def _unless_twice(read: Read, seen: set[str]) -> tuple[dict[str, Any], Any]:
    """Keep out the second of two pictures with one id: ids are unique across parts."""
    name = read.item["id"]
    if read.rows is not None and name in seen:
        text = f"a picture of this id is already in the set ({read.item.get('image')})"
        problem = {"kind": "id-twice", "text": text}
        return {"id": name, "part": read.item["part"], "problems": [problem]}, None
    if read.rows is not None:
        seen.add(name)
    return read.item, read.rows


def _finish(
    root: Path,
    work: Path,
    stamp: str,
    dataset: Dataset,
    plan: Mapping[str, Any],
    writer: PackedWriter,
) -> None:
    if writer.rows == 0:
        first = next(iter(writer.items), {"problems": [{"text": "there are none"}]})
        shutil.rmtree(work)
        raise SegkitError(
            f"{dataset.name}: no usable pair",
            first["problems"][0]["text"],
            f"Run: segkit data check {dataset.name}",
        )
    manifest = _manifest(dataset, plan, writer.items)
    manifest["arrays"] = {file: paths.sha256(work / file) for file in sorted(_arrays(plan))}
    found = PreparedSet(work, manifest)
    manifest["duplicates"] = [twin.to_json() for twin in _twins(found, dataset)]
    manifest["hash"] = paths.short_hash(manifest, 64)
    (work / "items.jsonl").unlink()
    (work / STAMP).write_text(stamp, encoding="utf-8")
    (work / MANIFEST).write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    _swap(work, root)


def _twins(found: PreparedSet, dataset: Dataset) -> list[duplicates.Copy]:
    """Copies, and neighbouring tiles where the publisher cut fields into pieces."""
    twins = duplicates.find(found)
    if all_options(dataset, found.manifest["options"]).get("tiles") == "borders":
        twins += tiles.find(found.ids, found.original_image)
    return twins


def _swap(work: Path, root: Path) -> None:
    """The finished folder takes the place of an outdated one; saved splits move along."""
    old = root.parent / f".{root.name}.old"
    if old.exists():
        shutil.rmtree(old)
    if root.exists():
        if (root / "splits").is_dir():
            shutil.copytree(root / "splits", work / "splits")
        root.rename(old)
    work.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def _manifest(
    dataset: Dataset, plan: Mapping[str, Any], items: list[dict[str, Any]]
) -> dict[str, Any]:
    kept = [item for item in items if "row" in item]
    problems = [
        {"id": item["id"], "part": item["part"], "kept": "row" in item, **problem}
        for item in items
        for problem in item["problems"]
    ]
    binary = all_options(dataset, plan["options"]).get("classes") == "binary"
    names = (
        dataset.classes
        if not (binary and len(dataset.classes) > 2)
        else ("background", "foreground")
    )
    hidden = ("problems", "row", "others")
    return {
        "format": FORMAT,
        "segkit": __version__,
        "name": dataset.name,
        "title": dataset.title,
        "classes": list(names),
        "size": plan["size"],
        "resize": plan["resize"],
        "variant": plan["variant"],
        "options": plan["options"],
        "count": len(kept),
        "counts": _counts(dataset, kept),
        "licence": dataset.licence,
        "citation": dataset.citation,
        "page": dataset.page,
        "source": _archives(dataset.name),
        "problems": problems,
        "items": [{k: v for k, v in item.items() if k not in hidden} for item in kept],
    }


def _archives(name: str) -> list[dict[str, Any]]:
    """Where the files are from; not their folder here, which depends on what was there before."""
    known = (sources.source(name) or {}).get("archives", [])
    return [{key: value for key, value in entry.items() if key != "folder"} for entry in known]


def _counts(dataset: Dataset, kept: list[dict[str, Any]]) -> dict[str, dict[str, int | None]]:
    """Pairs per part and class beside the official figures."""
    found = Counter(item["part"] for item in kept)
    found.update(item["cls"] for item in kept if item.get("cls"))
    keys = sorted(
        {*found, *dataset.counts}
        - ({"all"} if "all" not in dataset.counts and len(found) > 1 else set())
    )
    if "all" in dataset.counts:
        found["all"] = len(kept)
    return {key: {"found": found[key], "official": dataset.counts.get(key)} for key in keys}
