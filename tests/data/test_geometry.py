"""Resizing there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.data.geometry import fit, geometry, unfit
from segkit.errors import UsageError


@pytest.mark.parametrize(
    ("original", "content"),
    [((767, 1022), (384, 512)), ((995, 1280), (398, 512)), ((360, 256), (512, 364))],
)
def test_letterbox_follows_the_published_sizes(
    original: tuple[int, int], content: tuple[int, int]
) -> None:
    assert geometry(original, (512, 512), "letterbox").content == content


def test_letterbox_pads_right_and_bottom_with_zeros() -> None:
    image = np.full((10, 20, 3), 200, np.uint8)
    fitted, shape = fit(image, (32, 32), "letterbox")
    assert fitted.shape == (32, 32, 3)
    assert shape.content == (16, 32)
    assert (fitted[:16] == 200).all()
    assert not fitted[16:].any()


def test_masks_keep_their_classes() -> None:
    mask = np.random.default_rng(0).choice([0, 3, 7], (50, 41)).astype(np.uint8)
    for resize in ("stretch", "letterbox"):
        fitted, _ = fit(mask, (33, 64), resize, mask=True)
        assert set(np.unique(fitted)) <= {0, 3, 7}


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[1, 1] = mask[3, 3] = 1
    assert fit(mask, (2, 2), "stretch", mask=True)[0].tolist() == [[1, 0], [0, 1]]


def test_area_masks_are_cut_at_a_half() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], np.uint8)
    assert fit(mask, (1, 2), "stretch", mask="area")[0].tolist() == [[1, 0]]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["stretch", "letterbox"]),
)
def test_there_and_back_has_the_original_size(
    h: int, w: int, high: int, wide: int, how: str
) -> None:
    image = np.full((h, w, 3), 7, np.uint8)
    fitted, shape = fit(image, (high, wide), how)
    assert fitted.shape == (high, wide, 3)
    back = unfit(fitted, shape, nearest=True)
    assert back.shape == image.shape
    assert (back == 7).all()
    probability = unfit(fitted[..., 0].astype(np.float32), shape, nearest=False)
    assert probability.shape == (h, w)
    assert np.allclose(probability, 7)


def test_a_mask_comes_back_almost_as_it_was() -> None:
    mask = np.zeros((120, 90), np.uint8)
    mask[30:90, 20:70] = 1
    for how in ("stretch", "letterbox"):
        fitted, shape = fit(mask, (96, 96), how, mask=True)
        back = unfit(fitted, shape, nearest=True)
        assert (back != mask).mean() < 0.03


def test_more_than_four_channels() -> None:
    stack = np.random.default_rng(0).random((9, 9, 7), np.float32)
    _, shape = fit(np.zeros((20, 30), np.uint8), (9, 9), "stretch", mask=True)
    assert unfit(stack, shape, nearest=False).shape == (20, 30, 7)


def test_unknown_rule() -> None:
    with pytest.raises(UsageError, match="resize rule"):
        geometry((4, 4), (4, 4), "crop")
