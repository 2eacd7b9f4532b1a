"""Predict the pictures of a part and measure every case: columns, one row per case."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from segkit.data.geometry import Geometry, fit, geometry
from segkit.data.store import PreparedSet
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.engine.predicting.opening import restore
from segkit.engine.predicting.sliding import as_numpy
from segkit.metrics import cases
from segkit.metrics.confusion import counts

if TYPE_CHECKING:
    from segkit.engine.predicting.segmenter import Segmenter

Columns = dict[str, np.ndarray]
BATCH = 16
ORIGINAL = ("dice", "iou", "acc", "mae", "hd95")  # what the convention 'original' shows


@dataclass(frozen=True)
class MeasurementPlan:
    """How cases are predicted and measured."""

    wanted: cases.Wanted = field(default_factory=cases.Wanted)
    at: str = "prepared"  # or "original"
    batch: int = BATCH
    original_too: bool = False  # with at = prepared: also Dice and IoU on the original grid
    groups: Mapping[str, str] = field(default_factory=dict)  # pictures that are not independent


def measure_part(
    segmenter: Segmenter,
    prepared: PreparedSet,
    ids: Sequence[str],
    plan: MeasurementPlan,
    progress: Any = None,
) -> Columns:
    """The columns of the pictures `ids`; the next batch is predicted while one is measured."""
    step = plan.batch if plan.at == "prepared" else 1
    workers = min(4, os.cpu_count() or 1)
    parts: list[Columns] = []
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[Columns]] = []
        for rows, probability, seconds in predictions(segmenter, prepared, ids, plan.batch):
            for start in range(0, len(rows), step):
                stop = start + step
                piece = (rows[start:stop], probability[start:stop], seconds / len(rows))
                waiting.append(pool.submit(_measure, segmenter, prepared, plan, *piece))
            while len(waiting) > 2 * workers:
                parts.append(waiting.pop(0).result())
            if progress is not None:
                progress.advance(len(rows))
        parts += [future.result() for future in waiting]
    return cases.join(parts)


def predictions(
    segmenter: Segmenter, prepared: PreparedSet, ids: Sequence[str], batch: int
) -> Iterator[tuple[list[int], np.ndarray, float]]:
    """Rows of the store, probabilities (B, K, H, W) and the seconds they took."""
    rows = [prepared.index(name) for name in ids]
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        images = np.stack([prepared.images[row] for row in chosen])
        begun = time.perf_counter()
        probability = as_numpy(segmenter.probabilities(images))
        yield chosen, probability, time.perf_counter() - begun


def _measure(
    segmenter: Segmenter,
    prepared: PreparedSet,
    plan: MeasurementPlan,
    rows: list[int],
    probability: np.ndarray,
    seconds: float,
) -> Columns:
    if plan.at == "original":
        columns = _at_original(segmenter, prepared, plan, rows[0], probability[0])
    else:
        columns = _at_prepared(segmenter, prepared, plan, rows, probability)
    items = [prepared.items[row] for row in rows]
    facts = {
        "id": [item["id"] for item in items],
        "group": [plan.groups.get(item["id"], item["id"]) for item in items],
        "part": [item.get("part") or "" for item in items],
        "cls": [item.get("cls") or "" for item in items],
        "height": [item["height"] for item in items],
        "width": [item["width"] for item in items],
    }
    named = {name: _array(values) for name, values in facts.items()}
    return {**named, **columns, "ms": np.full(len(rows), 1000.0 * seconds)}


def _array(values: list[Any]) -> np.ndarray:
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def _at_prepared(
    segmenter: Segmenter,
    prepared: PreparedSet,
    plan: MeasurementPlan,
    rows: list[int],
    probability: np.ndarray,
) -> Columns:
    prediction = masks_from(probability, segmenter.threshold)
    truth = np.stack([prepared.masks[row] for row in rows])
    images = np.stack([prepared.images[row] for row in rows])
    objects = _objects(prepared, rows, plan.wanted.extras)
    steps = [_step(prepared, row, plan.wanted.spacing) for row in rows]
    front = np.stack([foreground(one) for one in probability])
    parts = []
    for which, (high, wide) in windows(prepared, rows):
        inside = (which, slice(0, high), slice(0, wide))
        found = None if objects is None else objects[inside]
        masks = (prediction[inside], truth[inside], front[inside], images[inside], found)
        own = steps[which] if plan.wanted.spacing else None
        parts.append(cases.measure(*masks, plan.wanted, own))
    columns = cases.join(parts)
    if plan.wanted.evidence:
        columns.update(_on_canvas(prepared, rows, prediction, truth))
    if plan.original_too:
        pieces = zip(rows, probability, strict=True)
        small = [_original_scores(segmenter, prepared, row, one) for row, one in pieces]
        columns.update(cases.join(small))
    return columns


def _objects(prepared: PreparedSet, rows: list[int], extras: Sequence[str]) -> np.ndarray | None:
    """The instances of the truth: prepared, or from the set's label files, one for each object."""
    if prepared.instances is not None:
        return np.stack([prepared.instances[row] for row in rows])
    if not {"objects", "components"} & set(extras) or not prepared.has_label_files:
        return None
    labels = [prepared.original_instances(prepared.ids[row]) for row in rows]
    return np.stack([fit(one, prepared.size, prepared.resize, mask=True)[0] for one in labels])


def _step(
    prepared: PreparedSet, row: int, spacing: tuple[float, float] | None
) -> tuple[float, float]:
    """Millimetres between the rows and columns of a picture on the prepared grid."""
    own = own_geometry(prepared, row)
    pairs = zip(spacing or (1.0, 1.0), own.original, own.content, strict=True)
    high, wide = (step * original / content for step, original, content in pairs)
    return high, wide


def windows(prepared: PreparedSet, rows: list[int]) -> list[tuple[slice, tuple[int, int]]]:
    """Which pictures of a batch are measured together, and the part of the grid that holds them.

    Padding is not scored: it would be true background for nothing.
    """
    if prepared.resize == "stretch":
        return [(slice(0, len(rows)), prepared.size)]
    return [(slice(i, i + 1), own_geometry(prepared, row).content) for i, row in enumerate(rows)]


def own_geometry(prepared: PreparedSet, row: int) -> Geometry:
    """How a picture lies on the prepared grid."""
    item = prepared.items[row]
    return geometry((item["height"], item["width"]), prepared.size, prepared.resize)


def _at_original(
    segmenter: Segmenter,
    prepared: PreparedSet,
    plan: MeasurementPlan,
    row: int,
    probability: np.ndarray,
) -> Columns:
    image, truth = prepared.original(prepared.ids[row])
    full = _restored(prepared, probability, truth.shape)
    prediction = masks_from(full[None], segmenter.threshold)
    front = foreground(full)[None]
    wanted, objects = plan.wanted, None
    if {"objects", "components"} & set(wanted.extras) and prepared.has_label_files:
        objects = prepared.original_instances(prepared.ids[row])[None]
    steps = [wanted.spacing] if wanted.spacing else None
    columns = cases.measure(prediction, truth[None], front, image[None], objects, wanted, steps)
    own = {f"original_{name}": columns[name] for name in ORIGINAL}
    return {**columns, **own} if plan.wanted.evidence else columns


def _restored(prepared: PreparedSet, probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return restore(probability, geometry((shape[0], shape[1]), prepared.size, prepared.resize))


def _original_scores(
    segmenter: Segmenter, prepared: PreparedSet, row: int, probability: np.ndarray
) -> Columns:
    truth = prepared.original_mask(prepared.ids[row])
    full = _restored(prepared, probability, truth.shape)
    found = counts(masks_from(full[None], segmenter.threshold) != 0, truth[None] != 0)
    return {f"original_{name}": value for name, value in found.scores().items()}


def _on_canvas(
    prepared: PreparedSet, rows: list[int], prediction: np.ndarray, truth: np.ndarray
) -> Columns:
    """Counts on a square canvas, aspect kept: the padded grid itself, or one of the same side."""
    high, wide = prepared.size
    if prepared.resize == "letterbox" and high == wide:
        exact = counts(prediction != 0, truth != 0)
        return {f"canvas_{name}": getattr(exact, name) for name in ("tp", "fp", "fn", "tn")}
    found = []
    for row, one, other in zip(rows, prediction, truth, strict=True):
        own, side = own_geometry(prepared, row), max(high, wide)
        goal = geometry(own.original, (side, side), "letterbox")
        p, t = (_scaled(mask, own.content, goal.content) for mask in (one, other))
        exact = counts(p, t)
        padding = side * side - p.size
        found.append([exact.tp[0], exact.fp[0], exact.fn[0], exact.tn[0] + padding])
    table = np.array(found, dtype=np.int64)
    return {f"canvas_{name}": table[:, i] for i, name in enumerate(("tp", "fp", "fn", "tn"))}


def _scaled(mask: np.ndarray, content: tuple[int, int], goal: tuple[int, int]) -> np.ndarray:
    inside = np.ascontiguousarray(mask[: content[0], : content[1]] != 0, dtype=np.uint8)
    if content == goal:
        return inside
    return cv2.resize(inside, goal[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
