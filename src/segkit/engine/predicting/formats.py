"""Predictions as annotation tools take them: GeoJSON, COCO, YOLO, Label Studio, CVAT.

All are made of the masks as they were written; `segkit data import` reads each of them back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from segkit import paths
from segkit.data.images import indices_from
from segkit.data.outlines import rings, runlengths
from segkit.engine.predicting.outputs import colour_of
from segkit.errors import unknown


@dataclass(frozen=True)
class Predicted:
    """A picture by its name below its folder, and the file of its mask."""

    file: str
    name: str  # of the results, without a suffix
    mask: Path

    def parts(self, classes: Sequence[str]) -> Iterator[tuple[int, str, rings.MaskPart]]:
        """Class index, class name and part, class by class."""
        mask = self.pixels(classes)
        for index, label in enumerate(foreground(classes), start=1):
            for part in rings.parts(mask == index):
                yield index, label, part

    def pixels(self, classes: Sequence[str]) -> np.ndarray:
        """The mask as class indices."""
        stored = indices_from(self.mask.read_bytes(), str(self.mask))
        return stored if len(classes) > 2 else (stored > 0).astype(np.uint8)


Writer = Callable[[Path, Sequence[Predicted], Sequence[str]], None]


def foreground(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of what is drawn."""
    return tuple(classes[1:]) if len(classes) > 1 else ("foreground",)


def check(names: Sequence[str]) -> tuple[str, ...]:
    """Known formats, or the error that says which there are."""
    for name in names:
        if name not in FORMATS:
            raise unknown("annotation format", name, FORMATS)
    return tuple(dict.fromkeys(names))


def write(
    formats: Sequence[str], out: Path, pictures: Sequence[Predicted], classes: Sequence[str]
) -> None:
    """Every format that is asked for, of all pictures."""
    for name in formats:
        FORMATS[name](out, pictures, classes)


def _geojson(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    for picture in pictures:
        features = [
            {
                "type": "Feature",
                "geometry": _geometry(part.polygons),
                "properties": {
                    "objectType": "annotation",
                    "isLocked": False,
                    "classification": {"name": label, "color": list(colour_of(index))},
                },
            }
            for index, label, part in picture.parts(classes)
        ]
        value = {"type": "FeatureCollection", "features": features}
        _json(out / "geojson" / f"{picture.name}.geojson", value)


def _geometry(polygons: Sequence[rings.Polygon]) -> dict[str, Any]:
    shapes = [[_closed(p.outer), *map(_closed, p.holes)] for p in polygons]
    if len(shapes) == 1:
        return {"type": "Polygon", "coordinates": shapes[0]}
    return {"type": "MultiPolygon", "coordinates": shapes}


def _closed(ring: rings.Ring) -> list[list[int]]:
    return np.concatenate([ring, ring[:1]]).astype(int).tolist()


def _coco(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    _json(out / "coco.json", _coco_document(pictures, classes, runlengths.to_coco))


def _coco_polygons(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    def outline(part: rings.MaskPart, shape: tuple[int, int]) -> list[list[int]]:
        return [p.as_one_ring().astype(int).ravel().tolist() for p in part.polygons]

    _json(out / "coco-polygons.json", _coco_document(pictures, classes, outline))


def _coco_document(
    pictures: Sequence[Predicted],
    classes: Sequence[str],
    segment: Callable[[rings.MaskPart, tuple[int, int]], Any],
) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, start=1):
        height, width = picture.pixels(classes).shape
        images.append({"id": number, "file_name": picture.file, "height": height, "width": width})
        for index, _, part in picture.parts(classes):
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": index,
                "segmentation": segment(part, (height, width)),
                "area": part.area,
                "bbox": list(part.box),
                "iscrowd": 0,
            }
            annotations.append(entry)
    named = enumerate(foreground(classes), start=1)
    categories = [{"id": index, "name": label} for index, label in named]
    info = {"description": "predictions of segkit"}
    return {
        "info": info,
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _yolo(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    for picture in pictures:
        height, width = picture.pixels(classes).shape
        lines = []
        for index, _, part in picture.parts(classes):
            for polygon in part.polygons:
                shares = polygon.as_one_ring() / (width, height)
                lines.append(" ".join([str(index - 1), *(f"{v:.7g}" for v in shares.ravel())]))
        text = "".join(f"{line}\n" for line in lines)
        paths.write_text(out / "yolo" / "labels" / f"{picture.name}.txt", text)
    names = foreground(classes)
    paths.write_text(out / "yolo" / "classes.txt", "".join(f"{name}\n" for name in names))
    listed = "".join(f"  {k}: {json.dumps(name)}\n" for k, name in enumerate(names))
    paths.write_text(
        out / "yolo" / "data.yaml", f"path: .\ntrain: images\nval: images\nnames:\n{listed}"
    )


def _label_studio(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    tasks = []
    for picture in pictures:
        height, width = picture.pixels(classes).shape
        results = [
            _label_studio_result(f"{index}-{k}-{n}", label, polygon, (height, width))
            for k, (index, label, part) in enumerate(picture.parts(classes))
            for n, polygon in enumerate(part.polygons)
        ]
        answer = {"model_version": "segkit", "result": results}
        address = f"/data/local-files/?d={picture.file}"
        tasks.append({"data": {"image": address}, "predictions": [answer]})
    _json(out / "labelstudio" / "tasks.json", tasks)
    paths.write_text(out / "labelstudio" / "labels.xml", _label_studio_page(foreground(classes)))


def _label_studio_result(
    key: str, label: str, polygon: rings.Polygon, size: tuple[int, int]
) -> dict[str, Any]:
    points = polygon.as_one_ring() / size[::-1] * 100
    return {
        "id": key,
        "type": "polygonlabels",
        "from_name": "label",
        "to_name": "image",
        "original_height": size[0],
        "original_width": size[1],
        "value": {
            "points": np.round(points, 6).tolist(),
            "closed": True,
            "polygonlabels": [label],
        },
    }


def _label_studio_page(names: Sequence[str]) -> str:
    """The labelling interface that the tasks are for."""
    labels = "".join(
        f"    <Label value={quoteattr(name)} background={quoteattr(_hex(index))}/>\n"
        for index, name in enumerate(names, start=1)
    )
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <PolygonLabels name="label" toName="image">\n{labels}  </PolygonLabels>\n</View>\n'
    )


def _hex(index: int) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour_of(index))


def _cvat(out: Path, pictures: Sequence[Predicted], classes: Sequence[str]) -> None:
    body = []
    for number, picture in enumerate(pictures):
        height, width = picture.pixels(classes).shape
        shapes = [_cvat_shape(part, label) for _, label, part in picture.parts(classes)]
        named = f'id="{number}" name={quoteattr(picture.file)} width="{width}" height="{height}"'
        body.append(f"  <image {named}>\n{''.join(shapes)}  </image>\n")
    text = "".join(body)
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
    paths.write_text(out / "cvat.xml", f"{head}{text}</annotations>\n")


def _cvat_shape(part: rings.MaskPart, label: str) -> str:
    """A polygon, which is easily edited; a mask where there are holes, which CVAT's lack."""
    common = f'label={quoteattr(label)} source="auto" occluded="0"'
    if len(part.polygons) == 1 and not part.polygons[0].holes:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in part.polygons[0].outer)
        return f'    <polygon {common} points="{points}" z_order="0"/>\n'
    left, top, width, height = part.box
    runs = ", ".join(map(str, runlengths.alternating(part.pixels.ravel())))
    place = f'left="{left}" top="{top}" width="{width}" height="{height}"'
    return f'    <mask {common} rle="{runs}" {place} z_order="0"/>\n'


def _json(path: Path, value: Any) -> None:
    paths.write_text(path, json.dumps(value, ensure_ascii=False) + "\n")


FORMATS: Mapping[str, Writer] = {
    "geojson": _geojson,
    "coco": _coco,
    "coco-polygons": _coco_polygons,
    "yolo": _yolo,
    "labelstudio": _label_studio,
    "cvat": _cvat,
}
