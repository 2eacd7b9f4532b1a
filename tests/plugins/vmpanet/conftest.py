"""Weights without random numbers, as the measured figures of VMPANet need them."""

import math

import pytest
import torch
from torch import nn

from segkit_vmpanet import VMPANetConfig
from segkit_vmpanet.model import VMPANet

NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


@torch.no_grad()
def fill(module):
    """Norms 1 and 0, step bias -3, other vectors 0, tensors sin(0.7 (i + 1)^1.5) / sqrt(fan)."""
    module.to(torch.float64)
    gains = {id(norm.weight) for norm in module.modules() if isinstance(norm, NORMS)}
    for name, parameter in module.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last in ("A_logs", "Ds"):
            continue
        if last == "dt_projs_bias":
            parameter.fill_(-3)
        elif parameter.ndim == 1:
            parameter.fill_(1.0 if id(parameter) in gains else 0.0)
        else:
            parameter.copy_(wave(parameter.shape) / math.sqrt(fan(last, parameter.shape)))
    for scan in module.modules():
        if hasattr(scan, "A_logs"):
            states = torch.arange(1, scan.A_logs.shape[-1] + 1, dtype=torch.float64)
            scan.A_logs.copy_(states.log().expand_as(scan.A_logs))
    return module.eval()


def fan(name, shape):
    return (
        shape[-1]
        if name.endswith("projs_weight") or name == "x_proj_weight"
        else math.prod(shape[1:])
    )


def wave(shape):
    index = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return torch.sin(0.7 * index**1.5).view(shape)


@pytest.fixture(scope="session")
def fill_module():
    return fill


@pytest.fixture(scope="session")
def image():
    """x[c,h,w] = 0.5 + 0.5 sin(0.05 h (c + 1) + 0.08 w + c), 3x64x64."""
    c, h, w = (torch.arange(n, dtype=torch.float64) for n in (3, 64, 64))
    phase = 0.05 * h[:, None] * (c[:, None, None] + 1) + 0.08 * w + c[:, None, None]
    return (0.5 + 0.5 * torch.sin(phase))[None]


@pytest.fixture(scope="session")
def make_network():
    def make(**config):
        return fill(VMPANet(VMPANetConfig(**config)))

    return make
