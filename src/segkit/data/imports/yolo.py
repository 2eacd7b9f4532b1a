"""YOLO segmentation: a text file for each picture, `class x1 y1 x2 y2 …` in shares of its size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from segkit.data.imports.drawing import Mask, drawer, oriented_size, targets, understood
from segkit.data.imports.geojson import picture_of
from segkit.data.imports.matching import Proposal
from segkit.data.outlines import rings
from segkit.data.pairing import Pair
from segkit.errors import SegkitError, UsageError

NAMES = "classes.txt"


def from_yolo(name: str, folder: Path, images: Path | None = None) -> Proposal:
    """The folder of labels; `classes.txt` or `data.yaml` in it or above it names the classes."""
    labels = folder / "labels" if (folder / "labels").is_dir() else folder
    files = sorted(file for file in labels.rglob("*.txt") if file.name != NAMES)
    if not files:
        raise UsageError(f"{folder} holds no labels of YOLO", "*.txt is looked for")
    shapes = {}
    for file in files:
        with understood(str(file)):
            shapes[file] = _shapes(file)
    highest = max((index for found in shapes.values() for index, _ in found), default=0)
    classes = _names(folder, highest)
    keys = [file.relative_to(labels).with_suffix("").as_posix() for file in files]
    pairs, jobs = [], {}
    for file, key, target in zip(files, keys, targets(keys), strict=True):
        image = picture_of((images or folder).resolve(), key)
        pairs.append(Pair(key, image, (target,), decode="classes"))
        if image is not None:
            jobs[target] = _job(shapes[file], image)
    return Proposal(
        name, tuple(pairs), ("background", *classes), f"YOLO {folder}", draw=drawer(jobs)
    )


def _shapes(file: Path) -> list[tuple[int, np.ndarray]]:
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        points = np.array(words[1:], float)
        if len(points) == 4:
            raise SegkitError(f"{file}, line {number} is a box", "outlines are needed")
        if len(points) < 6 or len(points) % 2 or int(words[0]) < 0:
            raise ValueError(f"line {number} is no class with an outline")
        found.append((int(words[0]), points.reshape(-1, 2)))
    return found


def _names(folder: Path, highest: int) -> list[str]:
    """The class names of the file that lists them; numbers where there is no such file."""
    for place in (folder, folder.parent):
        if (place / NAMES).is_file():
            lines = (place / NAMES).read_text(encoding="utf-8").splitlines()
            return _enough([line.strip() for line in lines if line.strip()], highest)
        if (place / "data.yaml").is_file():
            import yaml

            with understood(str(place / "data.yaml")):
                names = yaml.safe_load((place / "data.yaml").read_text(encoding="utf-8"))["names"]
                listed = [names[k] for k in sorted(names)] if isinstance(names, dict) else names
                return _enough([str(text) for text in listed], highest)
    return [f"class {k + 1}" for k in range(highest + 1)]


def _enough(names: list[str], highest: int) -> list[str]:
    if highest >= len(names):
        raise SegkitError(f"the labels hold class {highest}", f"{len(names)} classes are named")
    return names


def _job(shapes: list[tuple[int, np.ndarray]], image: str) -> Callable[[], Mask]:
    def draw() -> Mask:
        height, width = oriented_size(image)
        mask = np.zeros((height, width), np.uint8)
        for index, points in shapes:
            rings.paint(mask, [points * (width, height)], index + 1)
        return mask

    return draw
