"""Inversion and grey: by hand, and the same on a CPU and on a device."""

import numpy as np
import torch

from segkit.data.augmenting import cpu, device
from segkit.data.augmenting.policies import policy
from segkit.data.augmenting.policy import Policy, generator
from segkit.data.augmenting.stains import Grey, Invert

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
MASK = (PICTURE[..., 0] > 99).astype(np.uint8)


def drawn(operation):
    return Policy("one", (operation,)).draw(generator(0, 0, "x"), 16, 16)


def executed(plan):
    """On the CPU and as a device would."""
    here, mask = cpu.apply(plan, PICTURE, MASK)
    there, _ = device.apply([plan], torch.from_numpy(PICTURE)[None], torch.from_numpy(MASK)[None])
    assert np.array_equal(mask, MASK)
    return here, there[0].numpy()


def test_inversion_is_its_own_inverse_to_the_bit():
    for found in executed(drawn(Invert(p=1))):
        assert np.array_equal(found, 255 - PICTURE)


def test_grey_is_the_luma_in_all_channels():
    luma = np.rint(PICTURE @ np.array([0.299, 0.587, 0.114]))
    for found in executed(drawn(Grey(p=1))):
        assert np.abs(found.astype(float) - luma[..., None]).max() <= 1
        assert (found[..., 0] == found[..., 1]).all()


def test_the_policy_shows_both_polarities():
    dark = np.full((32, 32, 3), 20, np.uint8)
    plans = [policy("nuclei").draw(generator(0, 0, str(i)), 32, 32) for i in range(60)]
    means = [cpu.apply(plan, dark, dark[..., 0])[0].mean() for plan in plans]
    assert 0.1 < np.mean(np.array(means) > 128) < 0.5
