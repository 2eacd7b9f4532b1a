"""Normalisation: values by hand, numpy = torch, OpenCV's YCrCb, and padding that stays zero."""

import cv2
import numpy as np
import pytest
import torch

from segkit.data.normalise import convert_colour, normalise

RULES = ("unit", "minmax", "minmax_signed", "half", "imagenet")


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(1, 255, (3, 9, 7, 3)).astype(np.uint8)


def test_values_by_hand():
    image = np.zeros((1, 1, 2, 3), np.uint8)
    image[0, 0, 0] = (0, 51, 102)
    image[0, 0, 1] = (204, 51, 0)
    assert normalise(image, "unit")[0, :, 0, 1] == pytest.approx([0.8, 0.2, 0.0])
    assert normalise(image, "half")[0, :, 0, 0] == pytest.approx([-1.0, -0.6, -0.2])
    assert normalise(image, "minmax")[0, :, 0, 1] == pytest.approx([1.0, 0.25, 0.0])
    assert normalise(image, "minmax_signed")[0, :, 0, 0] == pytest.approx([-1.0, -0.5, 0.0])
    assert normalise(image, "imagenet")[0, 0, 0, 1] == pytest.approx((0.8 - 0.485) / 0.229)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("colour", ["rgb", "ycrcb"])
def test_numpy_and_torch_agree(pictures, rule, colour):
    ours = normalise(pictures, rule, colour)
    theirs = normalise(torch.from_numpy(pictures), rule, colour)
    assert ours.dtype == np.float32
    assert ours.shape == (3, 3, 9, 7)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_an_image_does_not_depend_on_its_batch(pictures, rule):
    np.testing.assert_array_equal(normalise(pictures, rule)[1:2], normalise(pictures[1:2], rule))


def test_constant_image_becomes_zeros():
    image = np.full((1, 4, 4, 3), 77, np.uint8)
    assert not normalise(image, "minmax_signed").any()
    assert not normalise(image, "minmax").any()


def test_ycrcb_is_opencvs():
    image = np.random.default_rng(1).integers(1, 256, (256, 256, 3)).astype(np.uint8)
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    np.testing.assert_array_equal(convert_colour(image[None], "ycrcb")[0], expected)


def test_padding_stays_zero_in_ycrcb(pictures):
    padded = np.zeros((3, 12, 10, 3), np.uint8)
    padded[:, :9, :7] = pictures
    padded[0, 2, 2] = 0  # a black pixel inside the picture is a colour, not padding
    converted = convert_colour(padded, "ycrcb")
    assert not converted[:, 9:].any()
    assert not converted[:, :, 7:].any()
    assert converted[0, 2, 2].tolist() == [0, 128, 128]
    np.testing.assert_array_equal(convert_colour(torch.from_numpy(padded), "ycrcb"), converted)


def test_unknown_rule_is_refused(pictures):
    with pytest.raises(ValueError, match="sideways"):
        normalise(pictures, "sideways")
