"""A world of blobs: truths, predictions that err, pictures; drawn anew for each repeat."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = (40, 40)


def picture(generator: np.random.Generator, dark: float = 0.0):
    """Truth and prediction as bool, probability, and a picture (uint8); `dark` shifts it."""
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    centre, radii = generator.uniform(14, 26, 2), generator.uniform(5, 11, 2)
    moved = centre + generator.normal(0, 1.2, 2)
    wrong = radii * np.exp(generator.normal(0, 0.12, 2))
    truth = _level(y, x, centre, radii) > 0
    chance = 1 / (1 + np.exp(-_level(y, x, moved, wrong) * generator.uniform(4, 12)))
    grey = generator.normal(170, 12) - 70 * truth - 60 * dark + generator.normal(0, 8, SIZE)
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return truth, chance > 0.5, chance.astype(np.float32), cv2.GaussianBlur(image, (3, 3), 0)


def _level(y, x, centre, radii):
    return 1 - ((y - centre[0]) / radii[0]) ** 2 - ((x - centre[1]) / radii[1]) ** 2
