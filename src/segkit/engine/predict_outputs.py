"""What prediction leaves behind: masks, 16-bit probabilities, overlays, and figures per picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segkit import paths

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
    return float(np.where(mask > 0, probability[0], 1 - probability[0]).mean())


def _shape(hit: np.ndarray) -> dict[str, Any]:
    area = int(hit.sum())
    parts = cv2.connectedComponents(hit.astype(np.uint8), connectivity=8)[0] - 1
    left, top, width, height = cv2.boundingRect(hit.astype(np.uint8)) if area else [""] * 4
    return {
        "area": area,
        "share": round(area / hit.size, 6),
        "parts": parts,
        "left": left,
        "top": top,
        "box_width": width,
        "box_height": height,
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
        hit = (mask == index).astype(np.uint8)
        colour = colour_of(index)
        contours = cv2.findContours(hit, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
        tinted = drawn.copy()
        tinted[hit > 0] = colour
        drawn = cv2.addWeighted(drawn, 0.75, tinted, 0.25, 0)
        cv2.drawContours(drawn, contours, -1, colour, thickness)
    return drawn


def write_overlay(path: Path, image: np.ndarray, mask: np.ndarray) -> None:
    """The overlay as JPEG."""
    _write(path, ".jpg", overlay(image, mask)[:, :, ::-1])


def _write(path: Path, suffix: str, pixels: np.ndarray) -> None:
    _, data = cv2.imencode(suffix, np.ascontiguousarray(pixels))
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
