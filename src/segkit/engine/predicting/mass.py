"""A mass of pictures, part by part: here, or by Ray Data's actors, each with the network loaded.

No more than one part's pictures are on their way in a process, and Ray hands an actor the next part
when it asks, so memory does not grow with the number of pictures. A part of a killed actor is done
again by another.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from segkit import paths
from segkit.data import memory
from segkit.data.locks import locked
from segkit.engine.predicting import collecting, outputs
from segkit.engine.predicting.folder import Picture, PictureDone, PredictJob, predict_each
from segkit.engine.predicting.parts import FOLDER, ListingPart, MassJob, begin, mark_of, pictures_of
from segkit.engine.predicting.parts import waiting as waiting_parts
from segkit.engine.predicting.storage import Storage, fetch, is_address
from segkit.errors import SegkitError
from segkit.events import Event, MassDone, PartDone, PartsListed


def run_mass(
    job: MassJob,
    sources: Sequence[str],
    cluster: Mapping[str, Any] | None = None,
    processes: int = 1,
) -> Iterator[Event]:
    """Predict what is not done; a report for each part (first of the done ones), then the whole.

    `cluster` holds the settings of Ray (`launching.settings.RaySettings`); without it, work here.
    """
    parts = begin(job, sources, mark_of(job.model))
    todo = waiting_parts(job, parts)
    begun = time.monotonic()
    count = sum(part.count for part in parts)
    yield PartsListed(of=count, done=count - sum(part.count for part in todo))
    with locked(_lock(job)):
        made = _by_ray(job, todo, cluster, processes) if cluster is not None else _here(job, todo)
        yield from (PartDone(report) for report in made)
    missing = waiting_parts(job, parts)
    if missing:
        raise SegkitError(f"{len(missing)} parts were not predicted", None, "Run it again.")
    seconds = time.monotonic() - begun
    new = sum(part.count for part in todo)
    yield MassDone(collecting.collect(job, parts, new, seconds))


def _lock(job: MassJob) -> Path:
    """Two commands on one output wait for each other, as far as a file system can tell."""
    here = Storage(job.out).local
    if here is not None:
        return here / FOLDER / ".lock"
    return Path(tempfile.gettempdir()) / f"segkit-{paths.short_hash(job.out)}.lock"


def _here(job: MassJob, parts: Sequence[ListingPart]) -> Iterator[dict[str, Any]]:
    if parts:
        predict = PartPredictor(asdict(job))
        yield from (predict(asdict(part)) for part in parts)


def _by_ray(
    job: MassJob, parts: Sequence[ListingPart], cluster: Mapping[str, Any], processes: int
) -> Iterator[dict[str, Any]]:
    """Ray Data: a pool of actors takes the parts; what a dead one held is done by another."""
    if not parts:
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its warnings are for its authors
    import ray
    import ray.data

    more: dict[str, Any] = {"address": cluster["address"]} if cluster["address"] else {}
    if not cluster["address"]:
        more |= {"num_cpus": cluster["machine_cpus"] or None, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **more)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("ray")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        waiting = ray.data.from_items([asdict(p) for p in parts], override_num_blocks=len(parts))
        done = waiting.map(
            cast("Any", PartPredictor),  # a class: Ray Data makes one of it in each actor
            fn_constructor_args=(asdict(job),),
            compute=ray.data.ActorPoolStrategy(size=processes),
            num_cpus=cluster["num_cpus"],
            num_gpus=cluster["num_gpus"] or None,
        )
        yield from done.iter_rows()
    finally:
        ray.shutdown()


class PartPredictor:
    """Holds the network; called with a part, it leaves the part's results and its note."""

    def __init__(self, job: Mapping[str, Any]):
        from segkit.engine.predicting.predictor import load_segmenter

        self.job = MassJob(**job)
        fold: Any = self.job.fold
        self.segmenter = load_segmenter(
            self.job.model,
            fold=fold,
            device=self.job.device,
            tta=self.job.tta,
            threshold=self.job.threshold,
        )
        self.storage = Storage(self.job.out)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Predict one part; what Ray carries back is its note."""
        part = ListingPart(**{key: int(value) for key, value in row.items()})
        begun = time.perf_counter()
        pictures = pictures_of(self.job, part)
        with tempfile.TemporaryDirectory(prefix="segkit-part-") as folder:
            done = self._predict(pictures, Path(folder))
        addresses = {name: address for address, name in pictures}
        broken = [[addresses[one.picture.name], one.error] for one in done if one.error]
        report = self._note(part, broken, time.perf_counter() - begun)
        self._write_rows(part, done)
        self.storage.write(f"{FOLDER}/{part.name}.json", json.dumps(report).encode())
        return report

    def _predict(self, pictures: Sequence[tuple[str, str]], folder: Path) -> list[PictureDone]:
        """Every picture of a part, under its own address."""
        here = self.storage.local
        out = here if here is not None else folder / "out"
        job = PredictJob(
            out,
            self.job.batch,
            self.job.overlays,
            self.job.probabilities,
            workers=self.job.workers,
            as_rle=self.job.write != "files",
        )
        near = _near(pictures, folder / "in")
        addresses = {name: address for address, name in pictures}
        order = {name: place for place, (_, name) in enumerate(pictures)}
        found = predict_each(self.segmenter, near, job)
        done = [_under(one, addresses[one.picture.name]) for one in found]
        done.sort(key=lambda one: order[one.picture.name])  # broken ones overtake their batch
        if here is None and out.is_dir():
            self.storage.take(out)
        return done

    def _note(self, part: ListingPart, broken: list[list[str]], seconds: float) -> dict[str, Any]:
        return {
            "part": part.number,
            "n": part.count,
            "skipped": broken,
            "seconds": round(seconds, 3),
            "host": platform.node(),
            "pid": os.getpid(),
            "memory_mb": round(memory.held() / 2**20, 1),
        }

    def _write_rows(self, part: ListingPart, done: Sequence[PictureDone]) -> None:
        rows = [row for one in done for row in one.rows]
        if self.job.write == "files":
            self.storage.write(f"{FOLDER}/{part.name}.csv", _csv(rows))
        elif self.job.write == "coco":
            names = [one.picture.name for one in done]
            document = collecting.coco(rows, names, done, part.first, self.segmenter.classes)
            self.storage.write(f"{FOLDER}/{part.name}.coco.json", json.dumps(document).encode())
        else:
            self.storage.write(f"parquet/{part.name}.parquet", collecting.parquet(rows))


def _near(pictures: Sequence[tuple[str, str]], folder: Path) -> list[Picture]:
    """The pictures as files of this machine; fetched if they are elsewhere."""
    away = [address for address, _ in pictures if is_address(address)]
    places = dict(zip(away, fetch(away, folder), strict=True)) if away else {}
    return [Picture(places.get(address, Path(address)), name) for address, name in pictures]


def _under(done: PictureDone, address: str) -> PictureDone:
    """The result under the address that the picture has for everybody."""
    rows = tuple({**row, "file": address} for row in done.rows)
    return PictureDone(done.picture, rows, done.error)


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, outputs.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
