"""The pictures of the report: worst, median and best cases, four panels each."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from segkit.build import architecture
from segkit.data.store import PreparedSet
from segkit.engine.predicting.segmenter import Segmenter
from segkit.engine.runs import FoldDir, Run
from segkit.report.finding import find_prepared, inside
from segkit.report.maps import network_maps, over

LARGEST = 320  # pixels of a side in the report

# right, too much, missed: blue, orange, magenta (Okabe and Ito); missed is striped as well
RIGHT, EXTRA, MISSED = (86, 180, 233), (230, 159, 0), (204, 51, 143)


@dataclass(frozen=True)
class ShownCase:
    """One case ready to show: pictures as data URIs."""

    id: str
    kind: str  # worst | median | best
    dice: float
    row: dict[str, Any]
    panels: tuple[tuple[str, str], ...]  # title, data URI


def choose(rows: Sequence[dict[str, Any]], each: int = 3) -> list[tuple[str, dict[str, Any]]]:
    """The `each` worst, median and best cases by Dice, none of them twice."""
    ranked = sorted(
        (row for row in rows if math.isfinite(row["dice"])),
        key=lambda row: (row["dice"], row["id"]),
    )
    worst, best = ranked[:each], ranked[max(each, len(ranked) - each) :]
    between = ranked[each : len(ranked) - each]
    begin = max(0, (len(between) - each) // 2)
    middle = between[begin : begin + each]
    named = (("worst", worst), ("median", middle), ("best", best))
    return [(kind, row) for kind, chosen in named for row in chosen]


def cases(
    run: Run, rows_by_fold: Sequence[tuple[FoldDir, list[dict[str, Any]]]], each: int = 3
) -> list[ShownCase]:
    """The chosen cases of a run, predicted again at network size by the fold that scored them."""
    prepared = find_prepared(run)
    if prepared is None:
        return []
    where = {id(row): fold for fold, rows in rows_by_fold for row in rows}
    known = set(prepared.ids)
    every = [row for _, rows in rows_by_fold for row in rows if row["id"] in known]
    chosen = choose(every, each)
    masks = _predicted(run, prepared, [(where[id(row)], row["id"]) for _, row in chosen])
    return [
        ShownCase(row["id"], kind, row["dice"], row, _panels(prepared, row["id"], mask))
        for (kind, row), mask in zip(chosen, masks, strict=True)
    ]


def attention(
    run: Run, rows_by_fold: Sequence[tuple[FoldDir, list[dict[str, Any]]]]
) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """What the network shows of itself on a worst, median and best case: id, titled pictures."""
    method = architecture(run.recipe.architecture).maps
    prepared = find_prepared(run)
    if method is None or prepared is None:
        return []
    where = {id(row): fold for fold, rows in rows_by_fold for row in rows}
    known = set(prepared.ids)
    chosen = choose([row for _, rows in rows_by_fold for row in rows if row["id"] in known], 1)
    shown = []
    for _, row in chosen:
        place = prepared.index(row["id"])
        image, part = np.asarray(prepared.images[place]), inside(prepared, place)
        segmenter = Segmenter.from_run(run, fold=where[id(row)])
        maps = network_maps(segmenter.networks[0], method, segmenter.inputs(image[None]))
        panels = [(title, photo_uri(over(image, v[0])[part])) for title, v in maps.items()]
        shown.append((row["id"], (("picture", photo_uri(image[part])), *panels)))
    return shown


def _predicted(
    run: Run, prepared: PreparedSet, wanted: Sequence[tuple[FoldDir, str]]
) -> list[np.ndarray]:
    masks: dict[int, np.ndarray] = {}
    for fold in dict.fromkeys(fold for fold, _ in wanted):
        places = [place for place, (its, _) in enumerate(wanted) if its == fold]
        images = np.stack([prepared.images[prepared.index(wanted[place][1])] for place in places])
        found = Segmenter.from_run(run, fold=fold).masks(images).cpu().numpy()
        masks.update(zip(places, found, strict=True))
    return [masks[place] for place in range(len(wanted))]


def _panels(prepared: PreparedSet, name: str, mask: np.ndarray) -> tuple[tuple[str, str], ...]:
    place = prepared.index(name)
    part = inside(prepared, place)
    image, truth, mask = prepared.images[place][part], prepared.masks[place][part], mask[part]
    return (
        ("picture", photo_uri(image)),
        ("truth", mask_uri(truth)),
        ("prediction", mask_uri(mask)),
        ("right, too much, missed", photo_uri(compare(image, truth, mask), 90)),
    )


def compare(image: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture in grey, tinted: right blue, too much orange, missed magenta and striped."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    drawn = np.repeat((grey * 0.6 + 60).astype(np.uint8)[..., None], 3, 2)
    rows, columns = np.indices(truth.shape)
    striped = (rows + columns) % 6 < 3
    areas = (
        ((truth > 0) & (mask == truth), RIGHT, 0.45),
        ((mask > 0) & (mask != truth), EXTRA, 0.75),
        ((truth > 0) & (mask != truth) & striped, MISSED, 0.95),
        ((truth > 0) & (mask != truth) & ~striped, MISSED, 0.45),
    )
    for area, colour, strength in areas:
        tint = np.asarray(colour, np.float32) * strength
        drawn[area] = (drawn[area] * (1 - strength) + tint).astype(np.uint8)
    outline = cv2.findContours((truth > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outline[0], -1, (255, 255, 255), 1)
    return drawn


def photo_uri(image: np.ndarray, quality: int = 85) -> str:
    """A colour picture as a JPEG data URI, at most LARGEST pixels a side."""
    image = _limited(image, cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _uri("jpeg", data)


def mask_uri(mask: np.ndarray) -> str:
    """A mask as a PNG data URI: white on black, several classes in steps of grey."""
    top = int(mask.max(initial=0))
    levels = (mask.astype(np.float32) * (255 / max(top, 1))).astype(np.uint8)
    _, data = cv2.imencode(
        ".png", _limited(levels, cv2.INTER_NEAREST), [cv2.IMWRITE_PNG_BILEVEL, int(top <= 1)]
    )
    return _uri("png", data)


def _limited(image: np.ndarray, how: int) -> np.ndarray:
    scale = LARGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=how)


def _uri(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
