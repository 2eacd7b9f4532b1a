"""What prediction leaves behind: masks, 16-bit probabilities, overlays, and figures per picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segkit import paths
from segkit.engine.certificate import Band
from segkit.engine.predicting import promises
from segkit.errors import SegkitError

COLUMNS = (
    "file",
    "mask",
    "class",
    "height",
    "width",
    "area",
    "share",
    "parts",
    "left",
    "top",
    "box_width",
    "box_height",
    "confidence",
    "ms",
)

# Okabe and Ito's colours, which colour-blind people can tell apart (RGB)
PALETTE = (
    (0, 0, 0),
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


TINT_ROWS = 256
JPEG_SIDE = 65500  # the longest side that libjpeg writes


def colour_of(index: int) -> tuple[int, int, int]:
    """The colour of a class; more than seven classes begin again."""
    return PALETTE[1 + (index - 1) % 7] if index else PALETTE[0]


def figures(
    mask: np.ndarray, probability: np.ndarray, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per foreground class: area in pixels and share, parts, box, mean confidence."""
    confidence = round(float(_confidence(probability, mask)), 4)
    names = classes[1:] if len(classes) > 1 else ("foreground",)
    return [
        {"class": name, **_shape(mask == index), "confidence": confidence}
        for index, name in enumerate(names, start=1)
    ]


def _confidence(probability: np.ndarray, mask: np.ndarray) -> float:
    """Mean over the pixels of the probability of the class that was chosen."""
    if probability.shape[0] > 1:
        return float(probability.max(0).mean())
    plane, inside = probability[0], int(np.count_nonzero(mask))
    there = cv2.mean(plane, mask)[0] * inside if inside else 0.0  # without full-size copies
    outside = mask.size - inside
    elsewhere = outside - (float(plane.sum(dtype=np.float64)) - there)
    return (there + elsewhere) / mask.size


def _shape(hit: np.ndarray) -> dict[str, Any]:
    shape = hit.view(np.uint8)
    area = int(np.count_nonzero(hit))
    left, top, width, height = cv2.boundingRect(shape) if area else (0, 0, 0, 0)
    box = np.ascontiguousarray(shape[top : top + height, left : left + width])
    parts = cv2.connectedComponents(box, connectivity=8)[0] - 1 if area else 0
    place = (left, top, width, height) if area else ("",) * 4
    return {
        "area": area,
        "share": round(area / hit.size, 6),
        "parts": parts,
        **dict(zip(("left", "top", "box_width", "box_height"), place, strict=True)),
    }


def write_mask(path: Path, mask: np.ndarray, classes: int) -> None:
    """PNG: 0 and 255 for one foreground class, else the class index with a palette to look at."""
    from PIL import Image

    if classes <= 2:
        _write(path, ".png", (mask > 0).astype(np.uint8) * 255)
        return
    picture = Image.fromarray(mask, mode="P")
    picture.putpalette([value for index in range(256) for value in colour_of(index)])
    with paths.replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def write_probabilities(stem: Path, probability: np.ndarray, classes: Sequence[str]) -> list[Path]:
    """16-bit PNG, 65535 = certain: one file, or one per foreground class."""
    if probability.shape[0] == 1:
        files = {stem.with_name(f"{stem.name}.png"): probability[0]}
    else:
        named = zip(classes[1:], probability[1:], strict=True)
        files = {stem.with_name(f"{stem.name}.{name}.png"): plane for name, plane in named}
    for path, plane in files.items():
        _write(path, ".png", np.rint(plane * 65535).astype(np.uint16))
    return list(files)


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with each class tinted and outlined in its colour."""
    drawn = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 300))
    for index in range(1, int(mask.max(initial=0)) + 1):
        hit, colour = mask == index, colour_of(index)
        contours = cv2.findContours(hit.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
        _tint(drawn, hit, colour)
        cv2.drawContours(drawn, contours, -1, colour, thickness)
    return drawn


def _tint(drawn: np.ndarray, hit: np.ndarray, colour: tuple[int, int, int]) -> None:
    """A quarter of the colour over the hit pixels, in strips: without full-size copies."""
    for top in range(0, len(drawn), TINT_ROWS):
        strip, chosen = drawn[top : top + TINT_ROWS], hit[top : top + TINT_ROWS]
        strip[chosen] = strip[chosen] * 0.75 + np.multiply(colour, 0.25)


def write_overlay(
    path: Path, image: np.ndarray, mask: np.ndarray, bands: Sequence[Band] = ()
) -> None:
    """The overlay as JPEG; margins as dashed lines."""
    drawn = overlay(image, mask)
    for index, band in enumerate(bands, start=1):
        promises.draw(drawn, band, colour_of(index))
    _write(path, ".jpg", _held_by_jpeg(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR, dst=drawn)))


def _held_by_jpeg(pixels: np.ndarray) -> np.ndarray:
    """Shrunk where a side is longer than the format allows: an overlay is for looking at."""
    height, width = pixels.shape[:2]
    share = JPEG_SIDE / max(height, width)
    if share >= 1:
        return pixels
    smaller = (max(1, int(width * share)), max(1, int(height * share)))
    return cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)


def write_band(path: Path, band: Band) -> None:
    """PNG: 255 core, 170 predicted, 85 outer margin, 0 beyond."""
    _write(path, ".png", promises.levels(band))


def _write(path: Path, suffix: str, pixels: np.ndarray) -> None:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels))
    if not done:
        size = "x".join(map(str, pixels.shape[1::-1]))
        raise SegkitError(f"{path} cannot be written", f"no {suffix} file holds {size} pixels")
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
