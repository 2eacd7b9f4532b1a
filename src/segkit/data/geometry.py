"""The one place that resizes: prepare, evaluate and predict all come here.

`stretch` fills the network's size; `letterbox` keeps the aspect and pads right and bottom with
zeros. Pictures are averaged over areas when they shrink and interpolated when they grow (letterbox:
area both ways, QTSeg's rule); masks take the nearest pixel by its centre, or the area mean cut at a
half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from segkit.errors import unknown

Resize = Literal["stretch", "letterbox"]


@dataclass(frozen=True)
class Geometry:
    """How a picture was brought to the network's size; all sizes are (H, W)."""

    original: tuple[int, int]
    size: tuple[int, int]
    content: tuple[int, int]  # the part of `size` that holds the picture, from the top left corner
    resize: str


def geometry(original: tuple[int, int], size: tuple[int, int], resize: str) -> Geometry:
    """The geometry of a picture of `original` size."""
    if resize == "stretch":
        return Geometry(original, size, size, resize)
    if resize != "letterbox":
        raise unknown("resize rule", resize, ("stretch", "letterbox"))
    (h, w), (high, wide) = original, size
    if h * wide >= w * high:
        content = (high, max(1, w * high // h))
    else:
        content = (max(1, h * wide // w), wide)
    return Geometry(original, size, content, resize)


def fit(
    image: NDArray,
    size: tuple[int, int],
    resize: str,
    *,
    mask: bool | str = False,
    original: tuple[int, int] | None = None,
) -> tuple[NDArray, Geometry]:
    """The array at network size, and what `unfit` needs. `mask`: True or "nearest", or "area" for a
    binary mask. `original`: the full size, if the picture was decoded reduced.
    """
    shape = geometry(original or (image.shape[0], image.shape[1]), size, resize)
    if mask == "area":
        scaled = _resized(image.astype(np.float32), shape.content, cv2.INTER_AREA)
        scaled = (scaled >= 0.5).astype(image.dtype)
    elif mask:
        scaled = _resized(image, shape.content, cv2.INTER_NEAREST_EXACT)
    else:
        scaled = _resized(image, shape.content, _smooth(shape))
    return _padded(scaled, size), shape


def unfit(array: NDArray, shape: Geometry, *, nearest: bool) -> NDArray:
    """Back to the picture's original size: padding off, then nearest (masks) or linear
    (probabilities).
    """
    content = np.ascontiguousarray(array[: shape.content[0], : shape.content[1]])
    if nearest:
        return _resized(content, shape.original, cv2.INTER_NEAREST_EXACT)
    shrinks = shape.original[0] < shape.content[0] and shape.original[1] < shape.content[1]
    return _resized(content, shape.original, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _smooth(shape: Geometry) -> int:
    shrinks = shape.content[0] <= shape.original[0] and shape.content[1] <= shape.original[1]
    return cv2.INTER_AREA if shrinks or shape.resize == "letterbox" else cv2.INTER_LINEAR


def _resized(array: NDArray, size: tuple[int, int], how: int) -> NDArray:
    if array.shape[:2] == size:
        return array
    if array.dtype == bool:
        return _resized(array.astype(np.uint8), size, how).astype(bool)
    if array.ndim == 3 and array.shape[2] > 4:
        planes = [
            cv2.resize(array[..., k], size[::-1], interpolation=how) for k in range(array.shape[2])
        ]
        return np.stack(planes, axis=2)
    scaled = cv2.resize(array, size[::-1], interpolation=how)
    return scaled.reshape(*size, *array.shape[2:])


def _padded(array: NDArray, size: tuple[int, int]) -> NDArray:
    if array.shape[:2] == size:
        return array
    canvas = np.zeros((*size, *array.shape[2:]), array.dtype)
    canvas[: array.shape[0], : array.shape[1]] = array
    return canvas
