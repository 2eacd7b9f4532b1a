"""COCO and LabelMe: polygons and run lengths, drawn once into mask files of class indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segkit import paths
from segkit.data.images import size_of
from segkit.data.imports.drawing import drawer, locate, targets, understood
from segkit.data.imports.matching import Proposal
from segkit.data.outlines import rings, runlengths
from segkit.data.pairing import Pair
from segkit.errors import SegkitError, UsageError

Mask = NDArray[np.uint8]
NO_AREA = ("point", "points", "line", "linestrip")


def from_coco(name: str, file: Path, images: Path | None = None) -> Proposal:
    """A COCO json; even-odd polygons keep their holes, crowd annotations are run lengths."""
    value = paths.read_json(file)
    if not isinstance(value, dict) or not {"images", "annotations", "categories"} <= set(value):
        raise UsageError(f"{file} is no COCO file", "images, annotations and categories are needed")
    with understood(str(file)):
        return _coco(name, file, value, (images or file.parent).resolve())


def _coco(name: str, file: Path, value: Mapping[str, Any], folder: Path) -> Proposal:
    names, number = _categories(value["categories"])
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for entry in value["annotations"]:
        by_image.setdefault(entry.get("image_id"), []).append(entry)
    jobs: dict[str, Callable[[], Mask]] = {}
    pairs = []
    keys = [Path(entry["file_name"]).with_suffix("").as_posix() for entry in value["images"]]
    for entry, key, target in zip(value["images"], keys, targets(keys), strict=True):
        mine = by_image.get(entry["id"], [])
        jobs[target] = _coco_job(entry, mine, number)
        found = locate(folder, entry["file_name"])
        pairs.append(Pair(key, found, (target,), decode="classes"))
    return Proposal(
        name, tuple(pairs), names, f"COCO {file}", _coco_notes(by_image, value), draw=drawer(jobs)
    )


def _categories(entries: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], dict[Any, int]]:
    """Class names with the background first, and the class index of each category id."""
    ordered = sorted(entries, key=lambda entry: entry["id"])
    if len(ordered) > 255:
        raise SegkitError(f"{len(ordered)} categories", "at most 255 fit a mask")
    names = ("background", *(str(entry["name"]) for entry in ordered))
    return names, {entry["id"]: index for index, entry in enumerate(ordered, start=1)}


def _coco_notes(by_image: Mapping[Any, Any], value: Mapping[str, Any]) -> tuple[str, ...]:
    strangers = set(by_image) - {entry["id"] for entry in value["images"]}
    lost = sum(len(by_image[key]) for key in strangers)
    boxes = sum(not entry.get("segmentation") for entry in value["annotations"])
    notes = []
    if lost:
        notes.append(f"{lost} annotations name pictures that the file does not list")
    if boxes:
        notes.append(f"{boxes} annotations have no outline (a box only): they are not drawn")
    return tuple(notes)


def _coco_job(
    image: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], number: Mapping[Any, int]
) -> Callable[[], Mask]:
    def draw() -> Mask:
        mask = np.zeros((int(image["height"]), int(image["width"])), np.uint8)
        for entry in entries:
            if entry.get("category_id") not in number:
                raise SegkitError(
                    f"annotation {entry.get('id')} has category {entry.get('category_id')}",
                    "the file defines no such category",
                )
            shape = _segment(entry.get("segmentation"), mask.shape)
            mask[shape] = number[entry["category_id"]]
        return mask

    return draw


def _segment(value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if isinstance(value, dict):
        return runlengths.from_coco(value, shape)
    if not isinstance(value, list):
        return np.zeros(shape, bool)
    return _polygons(value, shape)


def _polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A ring that lies within another is a hole of it, a ring within a hole is filled again;
    rings that overlap or lie side by side add up. A pixel is inside where its centre is.
    """
    outlines = [np.asarray(ring, float).reshape(-1, 2) for ring in polygons if len(ring) >= 6]
    areas = [rings.fill([ring], (shape[0], shape[1])) for ring in outlines]
    drawn = sorted(areas, key=lambda area: -int(area.sum()))
    result = np.zeros(shape, bool)
    for number, area in enumerate(drawn):
        if sum(_within(area, larger) for larger in drawn[:number]) % 2:
            result &= ~area
        else:
            result |= area
    return result


def _within(area: NDArray[np.bool_], larger: NDArray[np.bool_]) -> bool:
    return int(area.sum()) < int(larger.sum()) and not bool((area & ~larger).any())


def from_labelme(name: str, folder: Path) -> Proposal:
    """A folder of LabelMe json files beside their pictures."""
    files = sorted(folder.rglob("*.json"))
    values = {file: paths.read_json(file) for file in files}
    values = {f: v for f, v in values.items() if isinstance(v, dict) and "shapes" in v}
    if not values:
        raise UsageError(f"{folder} holds no LabelMe files", "*.json with 'shapes' are expected")
    return _labelme(name, folder, values)


def _labelme(name: str, folder: Path, values: Mapping[Path, Mapping[str, Any]]) -> Proposal:
    labels: set[str] = set()
    without_area = 0
    for file, value in values.items():
        with understood(str(file)):
            areas = _areas(value)
            labels |= {str(shape["label"]) for shape in areas}
            without_area += len(value["shapes"]) - len(areas)
    number = {label: index for index, label in enumerate(sorted(labels), start=1)}
    pairs, jobs = [], {}
    keys = [file.relative_to(folder).with_suffix("").as_posix() for file in values]
    for (file, value), key, target in zip(values.items(), keys, targets(keys), strict=True):
        image = locate(file.parent.resolve(), value.get("imagePath") or f"{file.stem}.png")
        jobs[target] = _labelme_job(value, number, image)
        pairs.append(Pair(key, image, (target,), decode="classes"))
    note = f"{without_area} points and lines have no area: they are left out"
    return Proposal(
        name,
        tuple(pairs),
        ("background", *number),
        f"LabelMe {folder}",
        (note,) if without_area else (),
        draw=drawer(jobs),
    )


def _areas(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [shape for shape in value["shapes"] if shape.get("shape_type") not in NO_AREA]


def _labelme_job(
    value: Mapping[str, Any], number: Mapping[str, int], image: str | None
) -> Callable[[], Mask]:
    def draw() -> Mask:
        high: Any = value.get("imageHeight")
        wide: Any = value.get("imageWidth")
        if (high is None or wide is None) and image is not None:  # LabelMe may leave them out
            high, wide = size_of(Path(image).read_bytes(), image)
        mask = np.zeros((int(high), int(wide)), np.uint8)
        for shape in _areas(value):
            _paint(mask, shape, number[str(shape["label"])])
        return mask

    return draw


def _paint(mask: Mask, shape: Mapping[str, Any], index: int) -> None:
    points = np.asarray(shape["points"], float)
    kind = shape.get("shape_type") or "polygon"
    rounded = np.round(points).astype(np.int32)
    if kind == "polygon":
        cv2.fillPoly(mask, [rounded], index)
    elif kind == "rectangle":
        cv2.rectangle(mask, rounded[0].tolist(), rounded[1].tolist(), index, -1)
    elif kind == "circle":
        radius = round(float(np.hypot(*(points[1] - points[0]))))
        cv2.circle(mask, rounded[0].tolist(), radius, index, -1)
    else:
        raise SegkitError(f"LabelMe shape '{kind}'", "polygon, rectangle and circle have an area")
