"""The dataset: samples that depend on the seed and their number alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sample = tuple[str, NDArray[np.uint8], NDArray[np.uint8], dict[str, Any]]


def generate(count: int, size: tuple[int, int], seed: int) -> Iterator[Sample]:
    """A slanted bright bar on a noisy ground."""
    rows, columns = np.mgrid[: size[0], : size[1]] / min(size)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        angle, offset, width = rng.uniform(0, np.pi), rng.uniform(-0.2, 0.2), rng.uniform(0.1, 0.25)
        distance = (columns - 0.5) * np.sin(angle) + (rows - 0.5) * np.cos(angle) - offset
        mask = (np.abs(distance) < width / 2).astype(np.uint8)
        ground = rng.normal(90, 18, (*size, 3))
        image = np.clip(ground + 70 * mask[..., None], 0, 255).astype(np.uint8)
        yield f"bar_{index:03d}", image, mask, {}
