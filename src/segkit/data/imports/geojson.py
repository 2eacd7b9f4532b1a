"""GeoJSON, as QuPath writes it: a file for each picture, classes by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segkit import paths
from segkit.data.imports.drawing import (
    Mask,
    drawer,
    numbered,
    oriented_size,
    targets,
    understood,
)
from segkit.data.imports.matching import Proposal
from segkit.data.outlines import rings
from segkit.data.pairing import IMAGE_SUFFIXES, Pair
from segkit.errors import UsageError

UNNAMED = "foreground"  # an annotation without a class


def from_geojson(name: str, folder: Path, images: Path | None = None) -> Proposal:
    """A folder of `PICTURE.geojson` files (or one of them), and the folder of the pictures."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.geojson"))
    if not files:
        raise UsageError(f"{folder} holds no GeoJSON files", "*.geojson is looked for")
    base = folder.parent if folder.is_file() else folder
    features = {}
    for file in files:
        with understood(str(file)):
            features[file] = list(_features(paths.read_json(file)))
    labels = numbered(sorted({label for found in features.values() for label, _ in found}))
    keys = [file.relative_to(base).with_suffix("").as_posix() for file in files]
    pairs, jobs = [], {}
    for file, key, target in zip(files, keys, targets(keys), strict=True):
        image = picture_of((images or base).resolve(), key)
        pairs.append(Pair(key, image, (target,), decode="classes"))
        if image is not None:
            jobs[target] = _job(features[file], labels, image)
    return Proposal(
        name,
        tuple(pairs),
        ("background", *(labels or (UNNAMED,))),
        f"GeoJSON {folder}",
        draw=drawer(jobs),
    )


def picture_of(folder: Path, key: str) -> str | None:
    """The picture of a name without its suffix: at that place, else by its base name below."""
    for pattern in (key, f"**/{Path(key).name}"):
        for path in sorted(folder.glob(f"{_literal(pattern)}.*")):
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                return str(path.resolve())
    return None


def _literal(pattern: str) -> str:
    """Brackets in a file's name are no wildcard."""
    return "".join(f"[{letter}]" if letter in "[?" else letter for letter in pattern)


def _features(value: Any) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Class name and rings of every outline; QuPath writes a collection, a list or one feature."""
    listed = value if isinstance(value, list) else value.get("features", [value])
    for feature in listed:
        shape = feature["geometry"]
        named = (feature.get("properties") or {}).get("classification") or {}
        label = str(named.get("name") or UNNAMED)
        if shape["type"] == "Polygon":
            yield label, [np.asarray(ring, float)[:, :2] for ring in shape["coordinates"]]
        elif shape["type"] == "MultiPolygon":
            for polygon in shape["coordinates"]:
                yield label, [np.asarray(ring, float)[:, :2] for ring in polygon]


def _job(
    found: list[tuple[str, list[np.ndarray]]], labels: Mapping[str, int], image: str
) -> Callable[[], Mask]:
    def draw() -> Mask:
        mask = np.zeros(oriented_size(image), np.uint8)
        for label, outline in found:
            rings.paint(mask, outline, labels[label])
        return mask

    return draw
