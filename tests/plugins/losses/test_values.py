"""Losses against values worked out by hand."""

import math

import pytest
import torch

from segkit import plugins
from segkit.api import resolve


def loss(name, **settings):
    value = plugins.get("losses", name)
    return resolve(value.make)(value.config(**settings))


def logit(p):
    return math.log(p / (1 - p))


# one picture of two pixels: p = 0.8 on a true pixel, p = 0.4 on a false one
LOGITS = torch.tensor([[[[logit(0.8), logit(0.4)]]]], dtype=torch.float64)
MASK = torch.tensor([[[1, 0]]])
BCE = -(math.log(0.8) + math.log(0.6)) / 2
DICE = 1 - (2 * 0.8 + 1) / (1.2 + 1 + 1)


@pytest.mark.parametrize(
    ("name", "settings", "value"),
    [
        ("bce", {}, BCE),
        ("dice", {}, DICE),
        ("dice", {"smooth": 0.0}, 1 - 1.6 / 2.2),
        ("bce_dice", {}, BCE + DICE),
        ("bce_dice", {"bce": 0.5, "dice": 2.0}, 0.5 * BCE + 2 * DICE),
        ("focal", {}, -(0.25 * 0.2**2 * math.log(0.8) + 0.75 * 0.4**2 * math.log(0.6)) / 2),
        # missed 0.2, false 0.4: (0.8 + 1)/(0.8 + 0.7·0.2 + 0.3·0.4 + 1)
        ("tversky", {}, 1 - 1.8 / 2.06),
        ("tversky", {"gamma": 0.75}, (1 - 1.8 / 2.06) ** 0.75),
    ],
)
def test_binary_values(name, settings, value):
    assert loss(name, **settings)(LOGITS, MASK).item() == pytest.approx(value, abs=1e-12)


def test_dice_pooled_differs_from_per_image():
    logits = torch.cat([LOGITS, LOGITS])
    mask = torch.cat([MASK, torch.zeros_like(MASK)])
    pooled = 1 - (2 * 0.8 + 1) / (2.4 + 1 + 1)
    per_image = 1 - ((2 * 0.8 + 1) / 3.2 + 1 / 2.2) / 2
    assert loss("dice", per_image=False)(logits, mask).item() == pytest.approx(pooled, abs=1e-12)
    assert loss("dice")(logits, mask).item() == pytest.approx(per_image, abs=1e-12)


def test_lovasz_hinge_by_hand():
    # logits 2 (true), -1 (true), 0.5 (false): errors 0 (1-2 < 0), 2, 1.5 sorted: 2, 1.5, -1
    logits = torch.tensor([[[[2.0, -1.0, 0.5]]]], dtype=torch.float64)
    mask = torch.tensor([[[1, 1, 0]]])
    # after the miss: 1 - 1/2; after the false alarm: 1 - 1/3; steps 1/2 and 1/6
    assert loss("lovasz")(logits, mask).item() == pytest.approx(2 / 2 + 1.5 / 6, abs=1e-12)


def test_multi_class_dice_leaves_the_background_out():
    logits = torch.zeros(1, 3, 1, 2, dtype=torch.float64)  # every class 1/3
    mask = torch.tensor([[[1, 0]]])
    one = 1 - (2 / 3 + 1) / (2 / 3 + 1 + 1)
    two = 1 - 1 / (2 / 3 + 1)
    assert loss("dice")(logits, mask).item() == pytest.approx((one + two) / 2, abs=1e-12)


def test_two_channels_agree_with_one():
    one = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    two = torch.cat([torch.zeros_like(one), one], 1)  # softmax of (0, z) is the sigmoid of z
    mask = torch.randint(0, 2, (2, 8, 8))
    for name in ("bce", "dice", "bce_dice", "focal", "tversky"):
        assert loss(name)(one, mask).item() == pytest.approx(loss(name)(two, mask).item(), abs=1e-9)


@pytest.mark.parametrize("name", ["bce", "dice", "focal", "tversky", "lovasz"])
def test_gradients_are_right(name):
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.randint(0, 2, (2, 3, 3))
    assert torch.autograd.gradcheck(lambda z: loss(name)(z, mask), (logits,))
