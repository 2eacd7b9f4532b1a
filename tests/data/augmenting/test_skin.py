"""Hairs and dark corners: by hand, and the same on a CPU and on a device."""

import numpy as np
import pytest
import torch

from segkit.data.augmenting import cpu, device
from segkit.data.augmenting.policies import policy
from segkit.data.augmenting.policy import AugmentationPlan, Policy, generator
from segkit.data.augmenting.skin import Hair, Vignette

WHITE, MASK = np.full((64, 64, 3), 200, np.uint8), np.ones((64, 64), np.uint8)


def on_device(plan, image, mask):
    images, masks = device.apply(
        [plan], torch.from_numpy(image)[None], torch.from_numpy(mask)[None]
    )
    return images[0].numpy(), masks[0].numpy()


def test_a_straight_hair_darkens_one_row_and_no_mask():
    hair = (0.5, 0.5, 0.0, 0.0, 0.25, 2 / 64, 0.5)  # level, half as long as the picture, 2 wide
    image, mask = cpu.apply(AugmentationPlan(64, 64, steps=[("hair", hair)]), WHITE, MASK)
    assert (image[32, 24:41] == 100).all()
    assert (image[:, :15] == 200).all()  # the hair ends
    assert (image[:29] == 200).all()
    assert (image[35:] == 200).all()
    assert mask is MASK


def test_a_vignette_leaves_the_middle_and_takes_the_corner():
    image, _ = cpu.apply(AugmentationPlan(64, 64, steps=[("vignette", (0.5, 1.0))]), WHITE, MASK)
    assert (image[20:44, 20:44] == 200).all()
    assert (image[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()


@pytest.mark.parametrize("operation", [Hair(p=1), Vignette(p=1)])
@pytest.mark.parametrize("shape", [(64, 64), (40, 72)])
def test_both_executions_draw_the_same(operation, shape):
    image, mask = np.full((*shape, 3), 200, np.uint8), np.ones(shape, np.uint8)
    for seed in range(5):
        plan = Policy("one", (operation,)).draw(generator(seed, 0, "x"), *shape)
        here, there = cpu.apply(plan, image, mask)[0], on_device(plan, image, mask)[0]
        assert np.abs(here.astype(int) - there.astype(int)).max() <= 1
        assert (here < 200).any()


def test_the_policy_draws_both_and_keeps_the_numbers_of_a_sample():
    plans = [policy("dermoscopy").draw(generator(0, 0, str(i)), 64, 64) for i in range(60)]
    kinds = {kind for plan in plans for kind, _ in plan.steps}
    assert {"hair", "vignette"} <= kinds
    assert plans[0].steps == policy("dermoscopy").draw(generator(0, 0, "0"), 64, 64).steps
