"""Raw files to a prepared set: decode once, resize, pack, explain. Restartable and idempotent."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import cv2

from segkit import __version__, paths
from segkit.api import Dataset, resolve
from segkit.data import duplicates, sources, tiles
from segkit.data.locks import locked
from segkit.data.packed import PackedWriter
from segkit.data.pairing import Pair
from segkit.data.reading import Read, Settings, pack, read_pair, single_threaded
from segkit.data.store import FORMAT, MANIFEST, PreparedSet
from segkit.errors import SegkitError, UsageError, unknown
from segkit.recipe import DataRecipe

BUILTIN_OPTIONS = {"mask_resize": ("nearest", "area"), "instances": ("no", "yes")}
GENERATED_OPTIONS = {"count": (), "seed": ()}  # any whole number


class Progress(Protocol):
    """Whatever draws: see segkit.cli._console.Ticker."""

    def total(self, amount: float) -> None: ...
    def advance(self, amount: float = 1) -> None: ...
    def describe(self, text: str) -> None: ...


def prepare(
    name: str,
    size: tuple[int, int] = (256, 256),
    resize: str = "stretch",
    variant: str = "original",
    options: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """The folder of the prepared set; made if it is not there or the raw files have changed."""
    dataset = sources.dataset(name)
    variant, options = _checked_options(dataset, variant, options or {})
    root = folder(name, size, resize, variant, options)
    with locked(root.parent / ".lock", say):
        jobs = _generated_jobs if dataset.generate else _file_jobs
        plan, run = jobs(dataset, size, resize, variant, options)
        stamp = paths.short_hash(plan, 32)
        if not _is_current(root, stamp):
            _build(root, stamp, dataset, plan, run, workers or _cores(), progress)
    return root


def folder(
    name: str, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Path:
    """`$SEGKIT_HOME/prepared/NAME/<size>-<resize>-<variant>`; options other than the default join
    the variant.
    """
    side = str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
    extra = "".join(f"+{key}={options[key]}" for key in sorted(options))
    return paths.prepared(name) / f"{side}-{resize}-{variant}{extra}"


def parse_variant(text: str) -> tuple[str, dict[str, str]]:
    """`original+classes=three` (how recipes name a variant with options) in its parts."""
    variant, *extra = text.split("+")
    return variant or "original", dict(part.partition("=")[::2] for part in extra)


def _checked_options(
    dataset: Dataset, variant: str, options: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    variant, inside = parse_variant(variant)
    if variant not in dataset.variants:
        raise unknown(f"variant of {dataset.name}", variant, dataset.variants)
    known = {
        **dataset.options,
        **BUILTIN_OPTIONS,
        **(GENERATED_OPTIONS if dataset.generate else {}),
    }
    given = {**inside, **options}
    for key, value in given.items():
        if key not in known:
            raise unknown(f"option of {dataset.name}", key, known)
        if known[key] and value not in known[key]:
            raise unknown(f"{key} of {dataset.name}", value, known[key])
        if not known[key] and not value.isdigit():
            raise UsageError(f"{key}={value}", "a whole number is expected")
    return variant, {key: v for key, v in given.items() if not known[key] or v != known[key][0]}


def _all_options(dataset: Dataset, options: Mapping[str, str]) -> dict[str, str]:
    known = {**dataset.options, **BUILTIN_OPTIONS}
    return {**{key: values[0] for key, values in known.items()}, **options}


# ---- what is to be done: a plan (JSON, hashed) and the jobs that fulfil it


Jobs = tuple[dict[str, Any], Callable[[int, int], Iterator[Read]]]


def _file_jobs(
    dataset: Dataset, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Jobs:
    if sources.source(dataset.name) is None:
        raise SegkitError(
            f"{dataset.name} is not on this machine",
            f"no raw files in {paths.raw(dataset.name)}",
            f"Run: segkit data fetch {dataset.name}",
        )
    root = paths.raw(dataset.name)
    full = _all_options(dataset, options)
    pairs = sorted(
        resolve(_needed(dataset))(root, {**full, "variant": variant}), key=_by_part_and_id
    )
    if not pairs:
        raise SegkitError(
            f"{dataset.name}: nothing to prepare",
            f"no pair of picture and mask in {root}",
            f"Run: segkit data check {dataset.name}",
        )
    settings = Settings(
        size,
        resize,
        full["mask_resize"],
        full.get("classes") == "binary" and len(dataset.classes) > 2,
        full["instances"] == "yes",
    )
    plan = _plan(dataset, size, resize, variant, options)
    plan["files"] = [[pair.id, pair.part, *_stamps(root, pair)] for pair in pairs]

    def run(first: int, workers: int) -> Iterator[Read]:
        return _in_order(lambda pair: read_pair(pair, root, settings), pairs[first:], workers)

    return plan, run


def _generated_jobs(
    dataset: Dataset, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Jobs:
    count = int(options.get("count") or sum(dataset.counts.values()) or 60)
    seed = int(options.get("seed") or 0)
    draw = resolve(_generator(dataset))
    settings = Settings(size, resize)
    plan = _plan(
        dataset, size, resize, variant, {**options, "count": str(count), "seed": str(seed)}
    )

    def run(first: int, workers: int) -> Iterator[Read]:
        samples = islice(draw(count, size, seed), first, None)
        return (_drawn(sample, settings) for sample in samples)

    return plan, run


def _needed(dataset: Dataset) -> Any:
    if dataset.pair is None:
        raise SegkitError(
            f"{dataset.name} has no pairing rule", "its plugin sets neither pair nor generate"
        )
    return dataset.pair


def _generator(dataset: Dataset) -> Any:
    return dataset.generate


def _drawn(sample: tuple[str, Any, Any, Mapping[str, Any]], settings: Settings) -> Read:
    name, picture, mask, facts = sample
    item = {
        "id": name,
        "image": "",
        "masks": [],
        "part": facts.get("part", "all"),
        "group": facts.get("group"),
        "cls": facts.get("cls"),
        "decode": "",
        "height": mask.shape[0],
        "width": mask.shape[1],
        "share": round(float((mask > 0).mean()), 6),
        "facts": dict(facts),
        "sha256_image": paths.hashlib.sha256(picture.tobytes()).hexdigest(),
        "sha256_mask": paths.hashlib.sha256(mask.tobytes()).hexdigest(),
        "problems": [],
    }
    return pack(item, picture, mask, settings)


def _plan(
    dataset: Dataset, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> dict[str, Any]:
    """What the prepared bytes depend on; its hash tells whether a prepared set is current."""
    return {
        "format": FORMAT,
        "name": dataset.name,
        "size": list(size),
        "resize": resize,
        "variant": variant,
        "options": dict(sorted(options.items())),
        "classes": list(dataset.classes),
    }


def _by_part_and_id(pair: Pair) -> tuple[str, str]:
    return pair.id, pair.part


def _stamps(root: Path, pair: Pair) -> list[Any]:
    """Sizes and times of the files of a pair: enough to notice a change without reading them."""
    stamps: list[Any] = [pair.group, pair.cls, pair.decode]
    for file in filter(None, (pair.image, *pair.masks)):
        try:
            known = os.stat(root / file)
        except OSError:
            stamps.append([file, None])
        else:
            stamps.append([file, known.st_size, known.st_mtime_ns])
    return stamps


def _in_order(work: Callable[[Pair], Read], pairs: list[Pair], workers: int) -> Iterator[Read]:
    """Results in the order of the pairs, with a bounded number in flight."""
    before = single_threaded()
    try:
        with ThreadPoolExecutor(workers) as pool:
            waiting = iter(pairs)
            flight = [pool.submit(work, pair) for pair in islice(waiting, 4 * workers)]
            while flight:
                yield flight.pop(0).result()
                flight += [pool.submit(work, pair) for pair in islice(waiting, 1)]
    finally:
        cv2.setNumThreads(before)


def _cores() -> int:
    return min(
        8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


# ---- doing it


def _is_current(root: Path, stamp: str) -> bool:
    if not (root / MANIFEST).is_file():
        return False
    return bool(paths.read_json(root / MANIFEST).get("stamp") == stamp)


def _build(
    root: Path,
    stamp: str,
    dataset: Dataset,
    plan: dict[str, Any],
    run: Callable[[int, int], Iterator[Read]],
    workers: int,
    progress: Progress | None,
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
        "thumbnails.npy": ("u1", (32, 32)),
    }
    if plan["options"].get("instances") == "yes":
        arrays["instances.npy"] = ("<u2", size)
    return arrays


def _unless_twice(read: Read, seen: set[str]) -> tuple[dict[str, Any], Any]:
    """Ids are unique across parts: the second of two is kept out."""
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
    manifest = _manifest(stamp, dataset, plan, writer.items)
    manifest["arrays"] = {file: paths.sha256(work / file) for file in sorted(_arrays(plan))}
    found = PreparedSet(work, manifest)
    manifest["duplicates"] = [twin.to_json() for twin in _twins(found, dataset)]
    manifest["hash"] = paths.short_hash(manifest, 64)
    (work / "items.jsonl").unlink()
    (work / MANIFEST).write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    _swap(work, root)


def _twins(found: PreparedSet, dataset: Dataset) -> list[duplicates.Twin]:
    """Copies, and neighbouring tiles where the publisher cut fields into pieces."""
    twins = duplicates.find(found)
    if _all_options(dataset, found.manifest["options"]).get("tiles") == "borders":
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
    stamp: str, dataset: Dataset, plan: Mapping[str, Any], items: list[dict[str, Any]]
) -> dict[str, Any]:
    kept = [item for item in items if "row" in item]
    problems = [
        {"id": item["id"], "part": item["part"], "kept": "row" in item, **problem}
        for item in items
        for problem in item["problems"]
    ]
    binary = _all_options(dataset, plan["options"]).get("classes") == "binary"
    names = (
        dataset.classes
        if not (binary and len(dataset.classes) > 2)
        else ("background", "foreground")
    )
    hidden = ("problems", "row", "others")
    return {
        "format": FORMAT,
        "segkit": __version__,
        "stamp": stamp,
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
        "source": (sources.source(dataset.name) or {}).get("archives", []),
        "problems": problems,
        "items": [{k: v for k, v in item.items() if k not in hidden} for item in kept],
    }


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


def ensure_prepared(
    name: str | None,
    data: DataRecipe,
    workers: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """The prepared set that a recipe asks for: the one fetched dataset if no name is given,
    prepared if needed.
    """
    wanted = name or data.name
    if wanted and (Path(wanted) / MANIFEST).is_file():
        return Path(wanted)
    chosen = sources.choose(wanted)
    if wanted is None and say:
        say(f"using the only fetched dataset: {chosen}")
    dataset = sources.dataset(chosen)
    variant, options = _checked_options(dataset, data.variant, {})
    root = folder(chosen, data.size, data.resize, variant, options)
    if say and not (root / MANIFEST).is_file():
        say(f"preparing {chosen} at {data.size[0]}x{data.size[1]} ({data.resize})")
    return prepare(chosen, data.size, data.resize, data.variant, {}, workers, progress, say)
