"""Label Studio's tasks and CVAT's XML ("CVAT for images 1.1"), as their exports give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np

from segkit import paths
from segkit.data.imports.drawing import Mask, drawer, locate, numbered, targets, understood
from segkit.data.imports.matching import Proposal
from segkit.data.outlines import rings, runlengths
from segkit.data.pairing import Pair
from segkit.errors import SegkitError, UsageError

Paint = Callable[[Mask, int], None]  # sets a class index where a shape is
Shape = tuple[str, Paint]
UPLOADED = r"^[0-9a-f]{8}-"  # Label Studio puts this before the names of uploaded files


def from_label_studio(name: str, file: Path, images: Path | None = None) -> Proposal:
    """JSON: the annotations of each task, else its predictions; polygons, boxes and brushes."""
    value = paths.read_json(file)
    if not isinstance(value, list) or not all(isinstance(t, dict) and "data" in t for t in value):
        raise UsageError(f"{file} is no file of Label Studio", "a list of tasks is needed (JSON)")
    with understood(str(file)):
        found = [_task(task) for task in value]
    return _proposal(name, file, images, f"Label Studio {file}", found)


def from_cvat(name: str, file: Path, images: Path | None = None) -> Proposal:
    """XML: polygons, boxes, ellipses and masks of each image."""
    text = file.read_text(encoding="utf-8")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SegkitError(f"{file} defines entities", "CVAT writes none: it is not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise SegkitError(f"{file} is no XML", str(error)) from error
    with understood(str(file)):
        found = [_image(element) for element in root.iter("image")]
    if not found:
        raise UsageError(f"{file} lists no image", "'CVAT for images 1.1' is needed")
    return _proposal(name, file, images, f"CVAT {file}", found)


Found = tuple[str, tuple[int, int] | None, list[Shape]]  # picture, its size, what is drawn


def _proposal(
    name: str, file: Path, images: Path | None, origin: str, found: Sequence[Found]
) -> Proposal:
    folder = (images or file.parent).resolve()
    labels = numbered(sorted({label for _, _, shapes in found for label, _ in shapes}))
    keys = [Path(picture).with_suffix("").as_posix() for picture, _, _ in found]
    pairs, jobs = [], {}
    for (picture, size, shapes), key, target in zip(found, keys, targets(keys), strict=True):
        image = locate(folder, picture) or locate(folder, re.sub(UPLOADED, "", Path(picture).name))
        pairs.append(Pair(key, image, (target,), decode="classes"))
        jobs[target] = _job(size, shapes, labels, image)
    names = ("background", *(labels or ("foreground",)))
    return Proposal(name, tuple(pairs), names, origin, draw=drawer(jobs))


def _job(
    size: tuple[int, int] | None,
    shapes: Sequence[Shape],
    labels: Mapping[str, int],
    image: str | None,
) -> Callable[[], Mask]:
    from segkit.data.imports.drawing import oriented_size

    def draw() -> Mask:
        mask = np.zeros(size or oriented_size(str(image)), np.uint8)
        for label, paint in shapes:
            paint(mask, labels[label])
        return mask

    return draw


def _task(task: Mapping[str, Any]) -> Found:
    kept = [a for a in task.get("annotations") or () if not a.get("was_cancelled")]
    answers = kept[-1:] or list(task.get("predictions") or ())[-1:]
    results = [result for answer in answers for result in answer["result"]]
    results = [r for r in results if r.get("type") in LABEL_STUDIO]
    size = next(((int(r["original_height"]), int(r["original_width"])) for r in results), None)
    return _picture(task["data"]), size, [_result(result) for result in results]


def _picture(data: Mapping[str, Any]) -> str:
    """The file behind the address of a task's picture."""
    address = str(data.get("image") or next(iter(data.values())))
    parts = urlsplit(address)
    named = parse_qs(parts.query).get("d")
    return (named[0] if named else unquote(parts.path)).lstrip("/")


def _result(result: Mapping[str, Any]) -> Shape:
    kind, value = result["type"], result["value"]
    return str(value[kind][0]), LABEL_STUDIO[kind](value)


def _ls_polygon(value: Mapping[str, Any]) -> Paint:
    points = np.asarray(value["points"], float) / 100
    return lambda mask, index: rings.paint(mask, [points * mask.shape[::-1]], index)


def _ls_box(value: Mapping[str, Any]) -> Paint:
    left, top = value["x"] / 100, value["y"] / 100
    right, bottom = left + value["width"] / 100, top + value["height"] / 100
    points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if value.get("rotation"):
        raise SegkitError("a rectangle of Label Studio is turned", "draw it as a polygon")
    return lambda mask, index: rings.paint(mask, [points * mask.shape[::-1]], index)


def _ls_brush(value: Mapping[str, Any]) -> Paint:
    def paint(mask: Mask, index: int) -> None:
        mask[runlengths.from_label_studio(value["rle"], mask.shape)] = index

    return paint


LABEL_STUDIO: Mapping[str, Callable[[Mapping[str, Any]], Paint]] = {
    "polygonlabels": _ls_polygon,
    "rectanglelabels": _ls_box,
    "brushlabels": _ls_brush,
}


def _image(element: ElementTree.Element) -> Found:
    size = int(element.attrib["height"]), int(element.attrib["width"])
    ordered = sorted(element, key=lambda shape: int(shape.get("z_order", 0)))
    return element.attrib["name"], size, list(_cvat_shapes(ordered))


def _cvat_shapes(elements: Sequence[ElementTree.Element]) -> Iterator[Shape]:
    for element in elements:
        if element.tag in CVAT:
            yield element.attrib["label"], CVAT[element.tag](element.attrib)


def _cvat_polygon(value: Mapping[str, str]) -> Paint:
    points = np.array([pair.split(",") for pair in value["points"].split(";")], float)
    return lambda mask, index: rings.paint(mask, [points], index)


def _cvat_box(value: Mapping[str, str]) -> Paint:
    left, top, right, bottom = (float(value[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return lambda mask, index: rings.paint(mask, [points], index)


def _cvat_ellipse(value: Mapping[str, str]) -> Paint:
    x, y, wide, high = (float(value[key]) for key in ("cx", "cy", "rx", "ry"))
    turns = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    points = np.stack([x + wide * np.cos(turns), y + high * np.sin(turns)], axis=1)
    return lambda mask, index: rings.paint(mask, [points], index)


def _cvat_mask(value: Mapping[str, str]) -> Paint:
    left, top, width, height = (int(value[key]) for key in ("left", "top", "width", "height"))
    pixels = runlengths.expand([int(run) for run in value["rle"].split(",")])
    pixels = pixels.reshape(height, width)

    def paint(mask: Mask, index: int) -> None:
        if left < 0 or top < 0 or top + height > mask.shape[0] or left + width > mask.shape[1]:
            raise ValueError("a mask lies outside its picture")
        mask[top : top + height, left : left + width][pixels] = index

    return paint


CVAT: Mapping[str, Callable[[Mapping[str, str]], Paint]] = {
    "polygon": _cvat_polygon,
    "box": _cvat_box,
    "ellipse": _cvat_ellipse,
    "mask": _cvat_mask,
}
