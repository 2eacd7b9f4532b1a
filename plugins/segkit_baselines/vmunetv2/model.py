"""VM-UNetV2 (Zhang et al., 2024): attention-filtered levels, multiplied, then added upwards."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import init_linears, pointwise, resize
from segkit_baselines.mkunet.model import ChannelGate, SpatialGate
from segkit_baselines.vmunet.model import Merge, stages
from segkit_baselines.vmunetv2 import VMUNetV2Config

WIDTHS, LEVEL = (96, 192, 384, 768), 48


class Products(nn.Module):
    """SDI: all levels, brought to one size and convolved, multiplied with one another."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(LEVEL, LEVEL, 3, padding=1) for _ in WIDTHS)

    def forward(self, levels: list[Tensor], own: int) -> Tensor:
        sized = [_brought(x, levels[own], own - number) for number, x in enumerate(levels)]
        return reduce(torch.mul, [conv(x) for conv, x in zip(self.convs, sized, strict=True)])


def _brought(x: Tensor, like: Tensor, halvings: int) -> Tensor:
    if halvings > 0:
        return F.avg_pool2d(x, 2**halvings)
    return resize(x, like, align_corners=True) if halvings else x


def _double() -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(LEVEL, LEVEL, 4, stride=2, padding=1, bias=False)


class VMUNetV2(nn.Module):
    """The inputs of VMamba's four stages, filtered to 48 channels; products; sums; two heads."""

    def __init__(self, config: VMUNetV2Config):
        super().__init__()
        self.patch = nn.Conv2d(config.in_channels, WIDTHS[0], 4, stride=4)
        self.patch_norm = nn.LayerNorm(WIDTHS[0])
        self.encoder = stages(WIDTHS, config.depths, config.drop_path)
        self.merges = nn.ModuleList(Merge(width) for width in WIDTHS[:3])
        init_linears(self)
        self.channel = nn.ModuleList(ChannelGate(width, 16) for width in WIDTHS)
        self.spatial = nn.ModuleList(SpatialGate() for _ in WIDTHS)
        self.narrow = nn.ModuleList(
            nn.Sequential(pointwise(width, LEVEL, bias=False), nn.BatchNorm2d(LEVEL))
            for width in WIDTHS
        )
        self.products = nn.ModuleList(Products() for _ in WIDTHS)
        self.up = nn.ModuleList(_double() for _ in WIDTHS)  # from H/32, H/16, H/8; the last unused
        classes = config.num_classes
        self.heads = nn.ModuleList(pointwise(LEVEL, classes) for _ in WIDTHS)  # coarse to fine
        self.supervision = config.supervision
        self.lift = nn.ConvTranspose2d(
            classes, classes, 3, stride=2, padding=1, output_padding=1, groups=classes
        )
        dead: list[nn.Module] = [self.encoder[-1], self.up[3], self.heads[0], self.heads[1]]
        if not config.supervision:
            dead += [self.heads[2], self.lift]
        for part in dead:
            part.requires_grad_(False)  # never used, as released

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        levels = self.levels(image)
        products = [module(levels, own) for own, module in enumerate(self.products)]
        y, coarse = products.pop(), None
        for up in self.up[:3]:
            coarse, y = y, up(y) + products.pop()  # from H/8 to H/4 in the end
        logits = _fourfold(self.heads[3](y))
        if not self.supervision:
            return logits
        return logits + self.lift(_fourfold(self.heads[2](coarse)))

    def levels(self, image: Tensor) -> list[Tensor]:
        """What enters each stage, filtered: 48 channels at H/4 … H/32."""
        x = self.patch_norm(self.patch(image).permute(0, 2, 3, 1))  # (B, H/4, W/4, C)
        filtered = []
        for number in range(4):
            if number:
                x = self.merges[number - 1](self.encoder[number - 1](x))
            gated = self.spatial[number](self.channel[number](x.permute(0, 3, 1, 2)))
            filtered.append(self.narrow[number](gated))
        return filtered


def _fourfold(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False)
