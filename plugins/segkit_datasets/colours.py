"""The colour code of BKAI-IGH NeoPolyp: green is non-neoplastic (1), red is neoplastic (2)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


def rgb(masks: Sequence[Mask]) -> Mask:
    """Red: R > 127 and G < 128; green: G > 127 and R < 128; all else background."""
    red, green = _colours(masks)[..., 0], _colours(masks)[..., 1]
    return _coded((red > 127) & (green < 128), (green > 127) & (red < 128))


def hsv(masks: Sequence[Mask]) -> Mask:
    """QTSeg's windows in OpenCV's HSV; they keep more of the dark rim that JPEG leaves."""
    hue, saturation, value = cv2.split(cv2.cvtColor(_colours(masks), cv2.COLOR_RGB2HSV))
    red = ((hue <= 10) | ((hue >= 160) & (hue <= 179))) & (saturation >= 100) & (value >= 20)
    green = (hue >= 36) & (hue <= 70) & (saturation >= 25) & (value >= 25)
    return _coded(red, green)


def _colours(masks: Sequence[Mask]) -> Mask:
    """The one colour picture; a grey one has no colours and is all background."""
    mask = masks[0]
    if mask.ndim == 2:
        return np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)
    return np.ascontiguousarray(mask[..., :3])


def _coded(red: NDArray[np.bool_], green: NDArray[np.bool_]) -> Mask:
    return np.where(red, 2, np.where(green, 1, 0)).astype(np.uint8)
