"""LV-UNet (Jiang et al., BIBM 2024): MobileNetV3's features, blocks that can be fused."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.errors import UsageError
from segkit.nn.folding import fold
from segkit.nn.padding import run_padded
from segkit_baselines.layers import depthwise, double, pointwise
from segkit_baselines.lvunet import LVUNetConfig


class Plan(NamedTuple):
    """One inverted residual of MobileNetV3-Large."""

    inputs: int
    middle: int
    outputs: int
    kernel: int
    stride: int
    squeeze: int  # 0: none
    hard: bool  # hard swish instead of ReLU


FIRST = 16
PLANS = (
    Plan(16, 16, 16, 3, 1, 0, False),
    Plan(16, 64, 24, 3, 2, 0, False),
    Plan(24, 72, 24, 3, 1, 0, False),
    Plan(24, 72, 40, 5, 2, 24, False),
    Plan(40, 120, 40, 5, 1, 32, False),
    Plan(40, 120, 40, 5, 1, 32, False),
    Plan(40, 240, 80, 3, 2, 0, True),
    Plan(80, 200, 80, 3, 1, 0, True),
    Plan(80, 184, 80, 3, 1, 0, True),
)
STAGES = ((0, 2), (2, 5), (5, 9))  # of the plans; each ends in a skip, at H/4, H/8 and H/16
DOWN = (80, 160, 240, 480)
UP = (480, 240, 160, 80, 40, 24, 16)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _active(hard: bool) -> nn.Module:
    return nn.Hardswish() if hard else nn.ReLU()


class Squeeze(nn.Module):
    """The map weighted by channel, with a hard sigmoid."""

    def __init__(self, channels: int, narrow: int):
        super().__init__()
        self.fc1, self.fc2 = pointwise(channels, narrow), pointwise(narrow, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    """Widen, look at each channel, (weigh,) narrow."""

    def __init__(self, plan: Plan):
        super().__init__()
        wide = plan.middle
        layers: list[nn.Module] = []
        if wide != plan.inputs:
            widen = pointwise(plan.inputs, wide, bias=False)
            layers.append(nn.Sequential(widen, _norm(wide), _active(plan.hard)))
        look = nn.Conv2d(
            wide, wide, plan.kernel, plan.stride, plan.kernel // 2, groups=wide, bias=False
        )
        layers.append(nn.Sequential(look, _norm(wide), _active(plan.hard)))
        if plan.squeeze:
            layers.append(Squeeze(wide, plan.squeeze))
        narrow = pointwise(wide, plan.outputs, bias=False)
        layers.append(nn.Sequential(narrow, _norm(plan.outputs)))
        self.block = nn.Sequential(*layers)
        self.residual = plan.stride == 1 and plan.inputs == plan.outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


def _plain_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-6)


class Fusible(nn.Module):
    """Two 1×1 convolutions with an activation that training may take out, then a depthwise one.

    `resize` halves or doubles the map between them.
    """

    def __init__(self, inputs: int, outputs: int, resize: str, slope: float):
        super().__init__()
        self.resize, self.slope = resize, slope
        self.conv1 = nn.Sequential(pointwise(inputs, inputs), _plain_norm(inputs))
        self.conv2 = nn.Sequential(pointwise(inputs, outputs), _plain_norm(outputs))
        self.look, self.norm = depthwise(outputs, 3, bias=False), _plain_norm(outputs)
        nn.init.trunc_normal_(self.look.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.leaky_relu(self.conv1(x), self.slope))
        return self.norm(self.look(F.relu(_resized(x, self.resize))))


class Fused(nn.Module):
    """The same at slope 1, as two convolutions."""

    def __init__(self, inputs: int, outputs: int, resize: str):
        super().__init__()
        self.resize = resize
        self.conv, self.look = pointwise(inputs, outputs), depthwise(outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.look(F.relu(_resized(self.conv(x), self.resize)))

    @torch.no_grad()
    def take(self, block: Fusible) -> None:
        """The weights of a block that has learned to do without its activation."""
        first, second = _folded(block.conv1), _folded(block.conv2)
        weight = second[0].flatten(1) @ first[0].flatten(1)
        bias = second[0].flatten(1) @ first[1] + second[1]
        _set(self.conv, weight[..., None, None], bias)
        _set(self.look, *fold(block.look.weight, None, block.norm))


def _folded(pair: nn.Sequential) -> tuple[Tensor, Tensor]:
    conv, norm = pair
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fold(conv.weight, conv.bias, norm)


def _set(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    assert conv.bias is not None
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)


def _resized(x: Tensor, way: str) -> Tensor:
    if way == "down":
        return F.max_pool2d(x, 2)
    return double(x, align_corners=False)


class LVUNet(nn.Module):
    """Nine inverted residuals, three fusible blocks down to H/128, seven back to full size."""

    def __init__(self, config: LVUNetConfig):
        super().__init__()
        self.config = config
        stem = nn.Conv2d(config.in_channels, FIRST, 3, stride=2, padding=1, bias=False)
        self.stem = nn.Sequential(stem, _norm(FIRST), nn.Hardswish())
        self.encoder = nn.ModuleList(
            nn.Sequential(*map(InvertedResidual, PLANS[first:last])) for first, last in STAGES
        )

        def block(inputs: int, outputs: int, resize: str) -> nn.Module:
            if config.fused:
                return Fused(inputs, outputs, resize)
            return Fusible(inputs, outputs, resize, config.slope)

        self.down = nn.ModuleList(block(a, b, "down") for a, b in pairwise(DOWN))
        self.up = nn.ModuleList(block(a, b, "up") for a, b in pairwise(UP))
        self.last = block(UP[-1], UP[-1], "up")
        self.head = pointwise(UP[-1], config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 128)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 128."""
        x, kept = self.stem(image), []
        for stage in [*self.encoder, *self.down]:
            x = stage(x)
            kept.append(x)
        kept.pop()
        for block in self.up:
            x = block(x) + kept.pop() if kept else block(x)
        return self.head(self.last(x))


def deep_slope(epoch: int, epochs: int) -> float:
    """The slope before an epoch (from 0) of the paper's deep training: from a ReLU to nothing."""
    return 1 - math.cos(math.pi * epoch / (2 * epochs))


def set_slope(network: LVUNet, slope: float) -> None:
    """The slope of every block; the config follows."""
    network.config = replace(network.config, slope=slope)
    for module in network.modules():
        if isinstance(module, Fusible):
            module.slope = slope


@torch.no_grad()
def fuse(network: LVUNet) -> LVUNet:
    """The form for inference: half the parameters, the same logits. Only for slope 1."""
    if network.config.slope != 1:
        raise UsageError(
            "only a network of slope 1 can be fused",
            f"this one has {network.config.slope}: its blocks bend between the two convolutions",
            "Train with model.slope=1, or raise the slope while training (deep_slope).",
        )
    weight = network.head.weight
    fused = LVUNet(replace(network.config, fused=True)).to(weight.device, weight.dtype)
    fused.load_state_dict(
        {
            k: v
            for k, v in network.state_dict().items()
            if k.startswith(("stem", "encoder", "head"))
        },
        strict=False,
    )
    for name, module in fused.named_modules():
        if isinstance(module, Fused):
            block = network.get_submodule(name)
            assert isinstance(block, Fusible)
            module.take(block)
    return fused.train(network.training)
