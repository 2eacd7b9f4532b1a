"""A mass of pictures in parts: the list is kept, and a part counts when its note is written.

out/parts/  plan.json  listing.csv  part-00012.csv (its rows)  part-00012.json (done; written last)

A part's files are written under names that follow from the pictures, so that a part done twice
leaves what it leaves when done once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segkit import paths
from segkit.engine.predicting.folder import SUFFIXES, find_pictures, named
from segkit.engine.predicting.storage import Storage, is_address
from segkit.errors import UsageError

FOLDER = "parts"
WRITE = ("files", "coco", "parquet")


@dataclass(frozen=True)
class MassJob:
    """Everything that a part depends on, as plain data: it travels to other machines."""

    model: str
    out: str
    size: int = 256  # pictures in a part
    write: str = "files"
    fold: str | int = "all"
    tta: str | None = None
    threshold: float | None = None
    device: str = "auto"
    batch: int = 8
    overlays: bool = False
    probabilities: bool = False
    workers: int = 2

    def __post_init__(self) -> None:
        if self.write not in WRITE:
            raise UsageError(f"--write is {self.write!r}", f"known: {', '.join(WRITE)}")
        if self.write != "files" and (self.overlays or self.probabilities):
            raise UsageError(f"--write {self.write} writes no pictures", None, "Leave them out.")


SAME = ("model", "size", "write", "fold", "tta", "threshold", "overlays", "probabilities")


@dataclass(frozen=True)
class ListingPart:
    """Some lines of the listing."""

    number: int
    offset: int  # bytes
    count: int
    first: int  # the number of its first picture in the whole listing

    @property
    def name(self) -> str:
        return f"part-{self.number:05d}"


def begin(job: MassJob, sources: Sequence[str], model_mark: str) -> list[ListingPart]:
    """All parts; a listing that is there is kept, and what would not fit it is refused."""
    storage = Storage(job.out)
    wanted = {key: asdict(job)[key] for key in SAME} | {"weights": model_mark}
    if "plan.json" not in storage.names(FOLDER):
        parts, text = _listed(_pictures(sources, job), job.size)
        storage.write(f"{FOLDER}/listing.csv", text)
        plan = {**wanted, "sources": list(sources), "parts": [asdict(part) for part in parts]}
        storage.write(f"{FOLDER}/plan.json", json.dumps(plan, indent=1).encode())
        return parts
    plan = json.loads(storage.read(f"{FOLDER}/plan.json"))
    now = wanted | {"sources": list(sources)}
    changed = [key for key, value in now.items() if plan.get(key) != value]
    if changed:
        raise UsageError(
            f"{job.out} holds another prediction",
            f"differs in {', '.join(changed)}",
            "Go on with the same words, or choose another --out.",
        )
    return [ListingPart(**part) for part in plan["parts"]]


def _pictures(sources: Sequence[str], job: MassJob) -> list[tuple[str, str]]:
    """Address and result name of every picture."""
    here = [source for source in sources if not is_address(source)]
    skip = None if is_address(job.out) else Path(job.out)
    found = [(str(p.path.absolute()), p.name) for p in find_pictures(here, skip)] if here else []
    for source in sources:
        if is_address(source):
            storage = Storage(source)
            names = storage.find(SUFFIXES)
            if not names:
                raise UsageError(f"{source} holds no pictures", f"looked for {sorted(SUFFIXES)}")
            pairs = zip(names, named(names), strict=True)
            found += [(storage.address(name), unique) for name, unique in pairs]
    names = [name for _, name in found]
    if len(set(names)) < len(names):
        raise UsageError("two sources hold pictures of the same name", None, "Give one of them.")
    return found


def _listed(pictures: Sequence[tuple[str, str]], size: int) -> tuple[list[ListingPart], bytes]:
    parts, pieces, offset = [], [], 0
    for number, first in enumerate(range(0, len(pictures), size)):
        chosen = pictures[first : first + size]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(chosen)
        data = text.getvalue().encode()
        parts.append(ListingPart(number, offset, len(chosen), first))
        pieces.append(data)
        offset += len(data)
    return parts, b"".join(pieces)


def pictures_of(job: MassJob, part: ListingPart) -> list[tuple[str, str]]:
    """Address and result name of the pictures of a part, without reading the whole listing."""
    with Storage(job.out).open(f"{FOLDER}/listing.csv") as raw:
        raw.seek(part.offset)
        lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        rows = csv.reader(lines)
        return [(row[0], row[1]) for _, row in zip(range(part.count), rows, strict=False)]


def waiting(job: MassJob, parts: Sequence[ListingPart]) -> list[ListingPart]:
    """The parts whose note is not there."""
    done = Storage(job.out).names(FOLDER)
    return [part for part in parts if f"{part.name}.json" not in done]


def reports(job: MassJob, parts: Sequence[ListingPart]) -> Iterator[dict[str, Any]]:
    """The notes of all parts, in order."""
    storage = Storage(job.out)
    for part in parts:
        yield json.loads(storage.read(f"{FOLDER}/{part.name}.json"))


def mark_of(model: str) -> str:
    """What tells two models of one name apart: a hash over their weights."""
    from segkit.engine import register

    place = register.place(Path(model))
    files = [place] if place.is_file() else sorted(place.rglob("*.safetensors"))
    files += [path for path in (place / register.GRAPH,) if path.is_file()]
    return paths.short_hash([paths.sha256(path) for path in files], 16)
