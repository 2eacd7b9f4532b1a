"""Masks that are the camera's window and no truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segkit.data.preparing.reading import is_field_of_view


def fundus(seed: int = 0, side: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A retina in a black frame: picture, window, vessels."""
    rng = np.random.default_rng(seed)
    window = np.zeros((side, side), np.uint8)
    cv2.circle(window, (side // 2, side // 2), int(0.46 * side), 1, -1)
    vessels = np.zeros_like(window)
    for _ in range(12):
        ends = rng.integers(0, side, 4).tolist()
        cv2.line(vessels, (ends[0], ends[1]), (ends[2], ends[3]), 1, 3)
    vessels &= window
    picture = np.full((side, side, 3), (150, 80, 40)) - 40 * vessels[..., None]
    picture = picture * window[..., None] + rng.integers(0, 4, (side, side, 3))
    return np.clip(picture, 0, 255).astype(np.uint8), window, vessels


def test_the_window_of_the_camera_is_no_truth() -> None:
    picture, window, vessels = fundus()
    assert is_field_of_view(window, picture)
    assert is_field_of_view(255 * window, picture)
    assert not is_field_of_view(vessels, picture)


@pytest.mark.parametrize("shift", [12, 25])
def test_a_large_round_lesion_is_one(shift: int) -> None:
    """As large and as round as a window, but elsewhere, or without a black frame."""
    picture, window, _ = fundus()
    assert not is_field_of_view(np.roll(window, shift, 1), picture)
    skin = np.full_like(picture, 160)
    assert not is_field_of_view(window, skin)
