"""What a preparation has to do: a plan (plain data, hashed) and the jobs that fulfil it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from segkit import paths
from segkit.api import Dataset, resolve
from segkit.data import sources
from segkit.data.pairing import Pair
from segkit.data.preparing.options import all_options
from segkit.data.preparing.reading import PrepareSettings, Read, pack, read_pair, single_threaded
from segkit.data.store import FORMAT
from segkit.errors import SegkitError

Jobs = tuple[dict[str, Any], Callable[[int, int], Iterator[Read]]]


def file_jobs(
    dataset: Dataset, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Jobs:
    if sources.source(dataset.name) is None:
        raise SegkitError(
            f"{dataset.name} is not on this machine",
            f"no raw files in {paths.raw(dataset.name)}",
            f"Run: segkit data fetch {dataset.name}",
        )
    root = paths.raw(dataset.name)
    full = all_options(dataset, options)
    pairs = sorted(
        resolve(_needed(dataset))(root, {**full, "variant": variant}),
        key=lambda pair: (pair.id, pair.part),
    )
    if not pairs:
        raise SegkitError(
            f"{dataset.name}: nothing to prepare",
            f"no pair of picture and mask in {root}",
            f"Run: segkit data check {dataset.name}",
        )
    settings = PrepareSettings(
        size,
        resize,
        full["mask_resize"],
        full.get("classes") == "binary" and len(dataset.classes) > 2,
        full["instances"] == "yes",
        len(dataset.classes),
    )
    plan = _plan(dataset, size, resize, variant, options)
    plan["files"] = [[pair.id, pair.part, *_stamps(root, pair)] for pair in pairs]

    def run(first: int, workers: int) -> Iterator[Read]:
        return _in_order(
            lambda pair: read_pair(pair, root, settings, workers), pairs[first:], workers
        )

    return plan, run


def generated_jobs(
    dataset: Dataset, size: tuple[int, int], resize: str, variant: str, options: Mapping[str, str]
) -> Jobs:
    count = int(options.get("count") or sum(dataset.counts.values()) or 60)
    seed = int(options.get("seed") or 0)
    assert dataset.generate is not None
    draw = resolve(dataset.generate)
    settings = PrepareSettings(size, resize)
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


def _drawn(sample: tuple[str, Any, Any, Mapping[str, Any]], settings: PrepareSettings) -> Read:
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
        "sha256_image": hashlib.sha256(picture.tobytes()).hexdigest(),
        "sha256_mask": hashlib.sha256(mask.tobytes()).hexdigest(),
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


def cores() -> int:
    return min(
        8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
