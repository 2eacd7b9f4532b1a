"""Many pictures of any size: read ahead, predict in batches, write behind; memory stays flat."""

from __future__ import annotations

import glob
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from segkit import paths, words
from segkit.data.geometry import Geometry
from segkit.data.images import read_image
from segkit.data.pairing import IMAGE_SUFFIXES
from segkit.engine.certificate import Band
from segkit.engine.predicting import formats, outputs, promises, rle, tta
from segkit.engine.predicting.grouping import check_cost, groups
from segkit.engine.predicting.masks import masks_from
from segkit.engine.predicting.opening import open_picture, restore
from segkit.engine.predicting.sliding import Sliding, as_numpy, slide
from segkit.errors import SegkitError, UsageError

SUFFIXES = frozenset(IMAGE_SUFFIXES)
RESULTS = ("masks", "overlays", "probabilities", "bands", "deferred")  # folders that a job writes
HELD_PIXELS = 40_000_000  # a batch is closed early when its pictures hold more than this
LARGE_PIXELS = 8_000_000  # pictures from here on are written one at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PredictJob:
    """Where the results go and which of them are wanted."""

    out: Path
    batch: int = 8
    overlays: bool = True
    probabilities: bool = False
    sliding: Sliding | None = None
    workers: int = 2
    promises: promises.Promises | None = None  # what a certificate says
    as_rle: bool = False  # masks as run lengths in the rows, and not as files
    also: tuple[str, ...] = ()  # annotation formats, see `formats`

    @property
    def doubts(self) -> bool:
        """Whether the Dice of each picture is estimated: mirrored views are predicted too."""
        return self.promises is not None and self.promises.defer is not None


@dataclass(frozen=True)
class Picture:
    """A file to predict, and the name of its results (without a suffix) below the output folder."""

    path: Path
    name: str

    @property
    def file(self) -> str:
        """Its name below the folder that was given."""
        whole = f"{self.name}{self.path.suffix}"
        return whole if self.path.as_posix().endswith(whole) else self.path.name


@dataclass(frozen=True)
class PictureDone:
    """The result of one picture: rows for predictions.csv, or the reason why there are none."""

    picture: Picture
    rows: tuple[dict[str, Any], ...] = ()
    error: str = ""


@dataclass
class _Loaded:
    picture: Picture
    image: np.ndarray
    small: np.ndarray | None = None  # at network size; None when sliding
    geometry: Geometry | None = None
    ms: float = 0.0
    views: np.ndarray | None = None  # masks of the mirrored picture (V, h, w)

    @property
    def pixels(self) -> int:
        """The number of pixels of the picture itself."""
        height, width = self.geometry.original if self.geometry else self.image.shape[:2]
        return int(height * width)


@dataclass
class _Failed:
    picture: Picture
    error: str


def find_pictures(sources: Iterable[Path | str], skip: Path | None = None) -> list[Picture]:
    """Files, folders (to the bottom) and globs, in natural order, each with a name of its own.

    `skip` is the output folder: what lies in the folders that a job writes there are results of
    ours, not pictures.
    """
    results = [(skip / name).resolve() for name in RESULTS] if skip else []
    found: dict[Path, str] = {}
    for source in sources:
        for path, base in _expand(str(source)):
            if not any(path.resolve().is_relative_to(folder) for folder in results):
                found.setdefault(path, path.relative_to(base).as_posix())
    if not found:
        raise UsageError("no picture was found", "the sources hold results of segkit only")
    return _named(found)


def _expand(source: str) -> Iterator[tuple[Path, Path]]:
    path = Path(source)
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        files = sorted((f for f in inside if f.is_file()), key=_natural)
        if not files:
            raise UsageError(
                f"{path} holds no pictures", f"looked for {', '.join(sorted(SUFFIXES))}"
            )
        yield from ((file, path) for file in files)
    elif path.is_file():
        yield path, path.parent
    elif matches := [Path(match) for match in glob.glob(source, recursive=True)]:
        yield from ((f, f.parent) for f in sorted(matches, key=_natural) if f.is_file())
    else:
        raise UsageError(f"{source} is not here", "there is no such file, folder or match")


def _natural(path: Path) -> list[int | str]:
    return paths.natural_key(path.as_posix())


def _named(found: dict[Path, str]) -> list[Picture]:
    names = named(list(found.values()))
    return [Picture(path, name) for path, name in zip(found, names, strict=True)]


def named(names: Sequence[str]) -> list[str]:
    """Results lose the suffix; where two would share a name, they keep it, then get a number."""
    stems = [str(Path(name).with_suffix("")) for name in names]
    often = Counter(stems)
    taken: dict[str, None] = {}
    for name, stem in zip(names, stems, strict=True):
        wanted = stem if often[stem] == 1 else name.replace(".", "_")
        unique, number = wanted, 2
        while unique in taken:
            unique, number = f"{wanted}-{number}", number + 1
        taken[unique] = None
    return list(taken)


def predict_each(
    segmenter: Any, pictures: Sequence[Picture], job: PredictJob
) -> Iterator[PictureDone]:
    """Predict and write every picture, without a table over them."""
    with ThreadPoolExecutor(job.workers) as readers, ThreadPoolExecutor(job.workers) as writers:
        finish = _finisher(segmenter, job)
        for group in groups(segmenter, pictures, job):
            loaded = _ahead(readers, lambda one: _load(one, segmenter, job), group, job.workers + 1)
            predicted = _predicted(segmenter, loaded, job)
            yield from _ahead(writers, finish, predicted, job.workers)


def run_job(segmenter: Any, pictures: Sequence[Picture], job: PredictJob) -> Iterator[PictureDone]:
    """Predict and write every picture; broken ones are yielded with their reason."""
    formats.check(job.also)
    finished: list[PictureDone] = []
    skipped: list[PictureDone] = []
    for done in predict_each(segmenter, pictures, job):
        (skipped if done.error else finished).append(done)
        yield done
    _conclude(finished, job, segmenter.classes)
    table = [{"file": str(one.picture.path), "reason": one.error} for one in skipped]
    if table:
        _write_csv(job.out / "skipped.csv", ("file", "reason"), table)
    else:  # of an earlier job
        (job.out / "skipped.csv").unlink(missing_ok=True)


def _conclude(finished: Sequence[PictureDone], job: PredictJob, classes: Sequence[str]) -> None:
    """predictions.csv, with what is known only when all pictures were seen."""
    rows = [row for done in finished for row in done.rows]
    columns: Sequence[str] = outputs.COLUMNS
    if job.promises is not None:
        names = [done.picture.name for done in finished for _ in done.rows]
        aside = job.promises.conclude(rows, names)
        columns = (*columns, *job.promises.columns)
        promises.move_aside(job.out, aside)
        told = [row for row, name in zip(rows, names, strict=True) if name in aside]
        for row in told:
            row["mask"] = f"{promises.ASIDE}/{row['mask']}"
        if job.doubts:
            kept = ("file", "mask", "dice_estimate", "dice_low", "dice_high", "reasons")
            told.sort(key=lambda row: row["dice_estimate"])
            chosen = [{key: row[key] for key in kept} for row in told]
            _write_csv(job.out / "deferred.csv", kept, chosen)
    _write_csv(job.out / "predictions.csv", columns, rows)
    if job.also:
        found = [
            formats.Predicted(done.picture.file, done.picture.name, job.out / done.rows[0]["mask"])
            for done in finished
            if done.rows
        ]
        formats.write(job.also, job.out, found, classes)


def _ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    depth: int,
) -> Iterator[Result]:
    """`map` in order over a pool, never more than `depth` results waiting."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _load(picture: Picture, segmenter: Any, job: PredictJob) -> _Loaded | _Failed:
    begun = time.perf_counter()
    try:
        check_cost(segmenter, picture, job)
        if job.sliding is not None:
            loaded = _Loaded(picture, read_image(picture.path, orient=True))
        else:
            opened = open_picture(picture.path, segmenter.size, segmenter.resize)
            loaded = _Loaded(picture, opened.image, opened.small, opened.geometry)
    except (SegkitError, OSError, ValueError) as error:
        return _Failed(picture, _reason(error))
    if not job.overlays and job.sliding is None:
        loaded.image = np.empty((0, 0, 3), np.uint8)  # its pixels are not needed any more
    loaded.ms = _since(begun)
    return loaded


def _reason(error: Exception) -> str:
    text = error.why or error.what if isinstance(error, SegkitError) else str(error)
    return text.splitlines()[0] if text else type(error).__name__


def _predicted(
    segmenter: Any, items: Iterable[_Loaded | _Failed], job: PredictJob
) -> Iterator[tuple[_Loaded, np.ndarray] | _Failed]:
    batch: list[_Loaded] = []
    for item in items:
        if isinstance(item, _Failed):
            yield item
            continue
        batch.append(item)
        held = sum(one.image.shape[0] * one.image.shape[1] for one in batch)
        if len(batch) >= job.batch or held > HELD_PIXELS or job.sliding is not None:
            yield from _predict_batch(segmenter, batch, job)
            batch = []
    if batch:
        yield from _predict_batch(segmenter, batch, job)


def _predict_batch(
    segmenter: Any, batch: list[_Loaded], job: PredictJob
) -> Iterator[tuple[_Loaded, np.ndarray]]:
    begun = time.perf_counter()
    if job.sliding is not None:
        answers = [slide(segmenter, one.image, job.sliding) for one in batch]
    else:
        smalls = np.stack([one.small for one in batch if one.small is not None])
        answers = list(as_numpy(segmenter.probabilities(smalls)))
        if job.doubts:
            for one, views in zip(batch, tta.mirrored_masks(segmenter, smalls), strict=True):
                one.views = views
    share = _since(begun) / len(batch)
    for one, answer in zip(batch, answers, strict=True):
        one.ms += share
        yield one, answer


def _finisher(
    segmenter: Any, job: PredictJob
) -> Callable[[tuple[_Loaded, np.ndarray] | _Failed], PictureDone]:
    large = threading.Lock()

    def finish(item: tuple[_Loaded, np.ndarray] | _Failed) -> PictureDone:
        if isinstance(item, _Failed):
            return PictureDone(item.picture, error=item.error)
        with large if item[0].pixels > LARGE_PIXELS else nullcontext():
            return write(*item)

    def write(loaded: _Loaded, probability: np.ndarray) -> PictureDone:
        begun = time.perf_counter()
        bands = _bands(segmenter, loaded, probability, job)
        if loaded.geometry is not None:
            probability = restore(probability, loaded.geometry)
        mask = masks_from(probability[None], segmenter.threshold)[0]
        ms = round(loaded.ms + _since(begun), 2)
        saved = _save(loaded, mask, probability, bands, ms, segmenter.classes, job)
        return PictureDone(loaded.picture, saved)

    return finish


def _bands(segmenter: Any, loaded: _Loaded, probability: np.ndarray, job: PredictJob) -> list[Band]:
    if job.promises is None or loaded.small is None or loaded.geometry is None:
        return []
    return job.promises.look(
        loaded.picture.name,
        loaded.small,
        probability,
        loaded.geometry,
        loaded.views,
        segmenter.threshold,
    )


def _save(
    loaded: _Loaded,
    mask: np.ndarray,
    probability: np.ndarray,
    bands: Sequence[Band],
    ms: float,
    classes: Sequence[str],
    job: PredictJob,
) -> tuple[dict[str, Any], ...]:
    name = loaded.picture.name
    file = job.out / "masks" / f"{name}.png"
    if not job.as_rle:
        outputs.write_mask(file, mask, len(classes))
    if job.probabilities:
        outputs.write_probabilities(job.out / "probabilities" / name, probability, classes)
    if job.overlays:
        outputs.write_overlay(job.out / "overlays" / f"{name}.jpg", loaded.image, mask, bands)
    for band in bands:
        end = "" if len(bands) == 1 else f".{band.name}"
        outputs.write_band(job.out / "bands" / f"{name}{end}.png", band)
    common = {
        "file": str(loaded.picture.path),
        "mask": file.relative_to(job.out).as_posix(),
        "height": mask.shape[0],
        "width": mask.shape[1],
        "ms": ms,
    }
    rows = [{**common, **row} for row in outputs.figures(mask, probability, classes)]
    if job.as_rle:
        for index, row in enumerate(rows, start=1):
            row["rle"] = rle.encode(mask == index)
    for row, band in zip(rows, bands, strict=False):  # none without a certificate
        row.update(promises.areas(band))
    return tuple(rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    paths.write_text(path, words.csv_text(columns, rows))


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
