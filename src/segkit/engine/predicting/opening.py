"""A picture in, opened as evaluation opens it; a probability out, at its size. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segkit.data.geometry import Geometry, fit, unfit
from segkit.data.images import from_pillow, read_image, to_rgb
from segkit.data.preparing.reading import REDUCE
from segkit.errors import UsageError

Picture = np.ndarray | Image.Image | Path | str


@dataclass(frozen=True)
class Opened:
    """A picture as it is, and as the network gets it."""

    image: np.ndarray
    small: np.ndarray
    geometry: Geometry


def open_picture(path: Path, size: tuple[int, int], resize: str) -> Opened:
    """Read a file the way `prepare` does: a large JPEG is decoded reduced before it is resized.

    So the network sees the very pixels that evaluation shows it.
    """
    image = read_image(path, orient=True)
    source, least = image, (size[0] * REDUCE, size[1] * REDUCE)
    if min(image.shape[0] / least[0], image.shape[1] / least[1]) > 1.5:
        source = read_image(path, orient=True, at_least=least)
    small, geometry = fit(source, size, resize, original=(image.shape[0], image.shape[1]))
    return Opened(image, small, geometry)


def restore(probability: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, h, w) at network size -> (K, H, W) at the picture's own size."""
    planes = [unfit(np.ascontiguousarray(plane), geometry, nearest=False) for plane in probability]
    return np.stack(planes).astype(np.float32, copy=False)


def as_picture(image: Picture) -> np.ndarray:
    """A path, a Pillow image or an array as uint8 (H, W, 3).

    Arrays are grey, RGB or RGBA, of 8 or 16 bits or of floats in [0, 1].
    """
    if isinstance(image, str | Path):
        return read_image(image, orient=True)
    pixels: Any = from_pillow(image) if isinstance(image, Image.Image) else image
    if not isinstance(pixels, np.ndarray):
        raise UsageError(
            f"a {type(image).__name__} is no picture", "expected a path, an array, a Pillow image"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise UsageError(
            f"an array of shape {pixels.shape} is no picture", "expected (H, W[, 1|3|4])"
        )
    if pixels.dtype.kind == "f":
        pixels = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    if pixels.dtype.name not in ("uint8", "uint16"):
        raise UsageError(
            f"an array of {pixels.dtype} is no picture", "expected uint8, uint16, floats"
        )
    return to_rgb(pixels)
