"""Skin tone around a lesion on a dermoscopic picture: the individual typology angle (ITA).

ITA = atan2(L* − 50, b*) in degrees, median over skin; groups as Chardon et al. (1991) name them.
What is dark (corners, hair, rulers) or burnt out is no skin and does not count.
"""

from __future__ import annotations

import cv2
import numpy as np

GROUPS = (
    ("very light", 55.0),
    ("light", 41.0),
    ("intermediate", 28.0),
    ("tan", 10.0),
    ("brown", -30.0),
    ("dark", -90.0),
)
LEAST_SHARE = 0.02  # of the picture that must be skin


def typology_angle(image: np.ndarray, lesion: np.ndarray) -> float:
    """ITA in degrees of an RGB picture uint8 (H, W, 3); nan where too little skin is seen."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    around = cv2.dilate(lesion.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    lightness, yellow = lab[..., 0], lab[..., 2]
    skin = around & (lightness > 25) & (lightness < 97)
    if skin.mean() < LEAST_SHARE:
        return float("nan")
    return float(np.median(np.degrees(np.arctan2(lightness[skin] - 50, yellow[skin]))))


def group_of(angle: float) -> str:
    """The name of the tone, or nothing for nan."""
    return next((name for name, least in GROUPS if angle > least), "")
