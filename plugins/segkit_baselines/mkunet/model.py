"""MK-UNet (Rahman and Marculescu, ICCV Workshops 2025): parallel kernels of 1, 3 and 5."""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import AdditiveGate, depthwise, double, mean_and_top, pointwise
from segkit_baselines.mkunet import MKUNetConfig


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleaves the channels of `groups` groups."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class MKIR(nn.Module):
    """An inverted residual with three depthwise kernels side by side."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        wide = 2 * inputs
        self.groups = math.gcd(wide, outputs)
        self.expand = nn.Sequential(
            pointwise(inputs, wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True)
        )
        self.kernels = nn.ModuleList(
            nn.Sequential(
                depthwise(wide, kernel, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True)
            )
            for kernel in (1, 3, 5)
        )
        self.shrink = nn.Sequential(pointwise(wide, outputs, bias=False), nn.BatchNorm2d(outputs))
        same = inputs == outputs
        self.shortcut = nn.Identity() if same else pointwise(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.expand(x)
        mixed = self.kernels[0](wide) + self.kernels[1](wide) + self.kernels[2](wide)
        return self.shrink(shuffle(mixed, self.groups)) + self.shortcut(x)


class ChannelGate(nn.Module):
    """Which channels count, from their mean and maximum."""

    def __init__(self, channels: int, reduction: int):
        super().__init__()
        narrow = channels // min(reduction, channels)
        self.mlp = nn.Sequential(
            pointwise(channels, narrow, bias=False),
            nn.ReLU(),
            pointwise(narrow, channels, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        mean, top = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return (self.mlp(mean) + self.mlp(top)).sigmoid() * x


class SpatialGate(nn.Module):
    """Which places count, from the mean and the maximum over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(mean_and_top(x)).sigmoid() * x


def _gate(channels: int) -> AdditiveGate:
    half = channels // 2
    return AdditiveGate(_grouped(channels, half), _grouped(channels, half), half)


def _grouped(channels: int, half: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, half, 3, padding=1, groups=half), nn.BatchNorm2d(half))


class MKUNet(nn.Module):
    """Five pooled stages; the decoder gates channels and places, widens, and adds gated skips."""

    def __init__(self, config: MKUNetConfig):
        super().__init__()
        c = config.widths
        self.encoder = nn.ModuleList(MKIR(a, b) for a, b in pairwise((config.in_channels, *c)))
        back = (*c[::-1], c[0])
        self.channel = nn.ModuleList(
            ChannelGate(width, r) for width, r in zip(back, (16, 16, 16, 8, 4), strict=False)
        )
        self.spatial = SpatialGate()  # one for all five steps
        self.decoder = nn.ModuleList(MKIR(a, b) for a, b in pairwise(back))
        self.gates = nn.ModuleList(_gate(width) for width in c[-2::-1])
        for part in (self.encoder, self.channel, self.spatial, self.decoder, self.gates):
            _init(part)
        self.heads = nn.ModuleList(
            pointwise(width, config.num_classes) for width in (c[2], c[1], c[0], c[0])
        )  # three auxiliary heads at H/8, H/4, H/2, then the main one

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits, then those at H/2, H/4 and H/8."""
        return run_padded(self.all_logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        return self.heads[3](self.decode(image)[-1])

    def all_logits(self, image: Tensor) -> tuple[Tensor, ...]:
        """Main logits and the auxiliary ones, fine to coarse."""
        steps = self.decode(image)
        aux = [head(x) for head, x in zip(self.heads, steps[1:4], strict=False)]
        return self.heads[3](steps[-1]), *reversed(aux)

    def decode(self, image: Tensor) -> list[Tensor]:
        """The decoder's features at H/16, H/8, H/4, H/2 and H."""
        x, skips, steps = image, [], []
        for block in self.encoder:
            x = F.max_pool2d(block(x), 2)
            skips.append(x)
        skips.pop()
        for number, block in enumerate(self.decoder):
            x = block(self.spatial(self.channel[number](x)))
            x = F.relu(double(x, align_corners=False))
            if skips:
                x = x + self.gates[number](x, skips.pop())
            steps.append(x)
        return steps


def _init(part: nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
