"""Sample pictures while training, as contact sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segkit import paths
from segkit.engine.predicting.masks import foreground, masks_from
from segkit.engine.predicting.sliding import as_numpy
from segkit.errors import SegkitError
from segkit.report.maps import heat
from segkit.report.pictures import compare

TILE = 192  # pixels of a picture's side on a sheet
GAP = 4
PAPER = 245


def write_samples(
    images: Any, masks: Any, probabilities: Any, path: Path | str, most: int = 8
) -> Path:
    """A sheet with one row per picture: picture, truth, probability, right / too much / missed.

    `images` uint8 (N, H, W, 3), `masks` (N, H, W) class indices, `probabilities` (N, K, H, W):
    numpy or torch. Written as PNG, whole or not at all.
    """
    images, truths = as_numpy(images)[:most], as_numpy(masks)[:most].astype(np.uint8)
    chances = as_numpy(probabilities)[:most]
    found = masks_from(chances)
    rows = [
        [image, _shown(truth), heat(foreground(chance)), compare(image, truth, mask)]
        for image, truth, chance, mask in zip(images, truths, chances, found, strict=True)
    ]
    return write_sheet(rows, path)


def write_sheet(rows: list[list[np.ndarray]], path: Path | str) -> Path:
    """Pictures (H, W, 3) in rows and columns on one PNG."""
    lines = [np.concatenate([_tile(tile) for tile in row], 1) for row in rows]
    if not lines:
        raise SegkitError("there are no pictures to show")
    sheet = np.concatenate(lines, 0)[..., ::-1]
    _, data = cv2.imencode(".png", np.ascontiguousarray(sheet))
    with paths.replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
    return Path(path)


def _shown(mask: np.ndarray) -> np.ndarray:
    top = max(1, int(mask.max(initial=0)))
    return np.repeat((mask.astype(np.float32) / top * 255).astype(np.uint8)[..., None], 3, 2)


def _tile(picture: np.ndarray) -> np.ndarray:
    """The picture in a square of TILE, with a gap on the right and below."""
    scale = TILE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    tile = np.full((TILE + GAP, TILE + GAP, 3), PAPER, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(np.ascontiguousarray(picture), size, interpolation=how)
    return tile
