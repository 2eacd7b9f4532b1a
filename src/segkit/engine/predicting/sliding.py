"""Pictures much larger than the network: overlapping windows, blended with a Gaussian. No torch.

The windows lie on a grid, and the Gaussian is the product of a vertical and a horizontal bell. So
the sum of all weights is an outer product too, and the only full-size array is the answer itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from segkit.errors import UsageError


@dataclass(frozen=True)
class Sliding:
    """How the window slides: overlap as a share of its side; `scale` shrinks the picture first."""

    overlap: float = 0.5
    scale: float = 1.0
    batch: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise UsageError(f"overlap is {self.overlap}", "it must be at least 0 and less than 1")
        if not 0 < self.scale <= 1:
            raise UsageError(f"scale is {self.scale}", "it must be above 0 and at most 1")


def slide(segmenter: Any, image: np.ndarray, how: Sliding) -> np.ndarray:
    """uint8 (H, W, 3) of any size -> float32 (K, H, W) at the same size."""
    height, width = image.shape[:2]
    if how.scale < 1:
        smaller = (max(1, round(width * how.scale)), max(1, round(height * how.scale)))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    answer = _slide(segmenter, _at_least(image, segmenter.size), how)
    answer = answer[:, : image.shape[0], : image.shape[1]]
    if how.scale < 1:
        planes = [cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR) for p in answer]
        answer = np.stack(planes)
    return answer


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along one axis: evenly spread, first and last flush with the border."""
    step = max(1, int(window * (1 - overlap)))
    count = -(-(length - window) // step) + 1
    return [round(i * (length - window) / max(1, count - 1)) for i in range(count)]


def bell(window: int) -> np.ndarray:
    """A Gaussian over the window, a standard deviation of one eighth of its side."""
    x = np.arange(window) - (window - 1) / 2
    return np.exp(-0.5 * (x / (window / 8)) ** 2).astype(np.float32)


def _slide(segmenter: Any, image: np.ndarray, how: Sliding) -> np.ndarray:
    (height, width), (h, w) = image.shape[:2], segmenter.size
    tops, lefts = starts(height, h, how.overlap), starts(width, w, how.overlap)
    down, across = bell(h), bell(w)
    total: np.ndarray | None = None
    for corners in _batches([(top, left) for top in tops for left in lefts], how.batch):
        tiles = np.stack([image[y : y + h, x : x + w] for y, x in corners])
        answers = as_numpy(segmenter.probabilities(tiles))
        if total is None:
            total = np.zeros((answers.shape[1], height, width), np.float32)
        for (y, x), answer in zip(corners, answers, strict=True):
            total[:, y : y + h, x : x + w] += answer * down[:, None] * across
    assert total is not None  # a grid has at least one window
    total /= _weights(height, tops, down)[:, None]
    total /= _weights(width, lefts, across)
    return total


def _weights(length: int, begins: list[int], weight: np.ndarray) -> np.ndarray:
    summed = np.zeros(length, np.float32)
    for begin in begins:
        summed[begin : begin + len(weight)] += weight
    return summed


def _batches(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def _at_least(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture, continued by its border where it is smaller than one window."""
    down, right = max(0, size[0] - image.shape[0]), max(0, size[1] - image.shape[1])
    return np.pad(image, ((0, down), (0, right), (0, 0)), mode="edge")


def as_numpy(values: Any) -> np.ndarray:
    """A torch tensor or an array, as an array."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()
