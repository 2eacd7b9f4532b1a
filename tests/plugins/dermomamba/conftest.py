"""Weights and inputs without random numbers, as the measured figures of DermoMamba need them."""

import math

import numpy as np
import pytest
import torch

from segkit_dermomamba import DermoMambaConfig
from segkit_dermomamba.model import DermoMamba
from segkit_dermomamba.weights import LAYOUT


def hashed(count, seed):
    """A fixed integer hash of 0, 1, … as float64 in [-1, 1]."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(count, dtype=np.uint64) + np.uint64(1000003 * seed + 1)) & mask
    x = (x * np.uint64(2654435761)) & mask
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(2246822519)) & mask
    x ^= x >> np.uint64(13)
    return torch.from_numpy(2 * x.astype(np.float64) / 2.0**32 - 1)


def filled(name, shape):
    """The value of the original parameter `name`."""
    v = hashed(math.prod(shape), sum(map(ord, name))).view(shape)
    last = name.rsplit(".", 1)[-1]
    if last == "A_logs":
        return torch.arange(1, shape[-1] + 1, dtype=torch.float64).log() + 0.1 * v
    if last in ("Ds", "scale"):
        return 1 + 0.1 * v
    if last == "dt_projs_bias":
        return -3 + v
    if last == "running_var":
        return 1 + 0.2 * v
    if last in ("x_proj_weight", "dt_projs_weight"):
        return v * math.sqrt(3 / shape[-1])
    if last == "weight" and len(shape) > 1:
        return v * math.sqrt(3 / (math.prod(shape) / shape[0]))
    return 1 + 0.1 * v if last == "weight" else 0.1 * v


def original_state(network):
    """The fill of every original entry; batch counters stay 0."""
    state = LAYOUT.to_original(network.state_dict())
    return {
        name: torch.zeros_like(value)
        if name.endswith("num_batches_tracked")
        else filled(name, tuple(value.shape))
        for name, value in state.items()
    }


@pytest.fixture(scope="session")
def hash_fill():
    return hashed


@pytest.fixture(scope="session")
def fill_state():
    return original_state


@pytest.fixture(scope="session")
def make_input():
    """inp(shape, s): 0.5 + 0.5 hash."""
    return lambda shape, seed: 0.5 + 0.5 * hashed(math.prod(shape), seed).view(shape)


@pytest.fixture(scope="session")
def make_network():
    """A filled network in evaluation mode, float64 unless told otherwise."""

    def make(dtype=torch.float64, **config):
        network = DermoMamba(DermoMambaConfig(**config)).to(torch.float64)
        network.load_state_dict(LAYOUT.to_segkit(original_state(network)))
        return network.to(dtype).eval()

    return make
