"""CMUNeXt (Tang et al., ISBI 2024): large depthwise kernels and a skip fusion in two groups."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.cmunext import CMUNeXtConfig
from segkit_baselines.layers import ConvNormAct, depthwise, double, pointwise


class GeluNorm(nn.Sequential):
    """A layer, GELU, and only then the batch norm."""

    def __init__(self, layer: nn.Module, channels: int):
        super().__init__(layer, nn.GELU(), nn.BatchNorm2d(channels))


class Block(nn.Module):
    """A residual large depthwise kernel, then a fourfold bottleneck turned inside out."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.look = GeluNorm(depthwise(channels, kernel), channels)
        self.wide = GeluNorm(pointwise(channels, 4 * channels), 4 * channels)
        self.back = GeluNorm(pointwise(4 * channels, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.back(self.wide(x + self.look(x)))


class Fusion(nn.Sequential):
    """Skip and upsampled features, first apart (two groups), then together."""

    def __init__(self, width: int):
        super().__init__(
            GeluNorm(nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2), 2 * width),
            GeluNorm(pointwise(2 * width, 4 * width), 4 * width),
            GeluNorm(pointwise(4 * width, width), width),
        )


class CMUNeXt(nn.Module):
    """Stem, five stages that widen at their end, four fusions, head."""

    def __init__(self, config: CMUNeXtConfig):
        super().__init__()
        dims = config.dims
        self.stem = ConvNormAct(config.in_channels, dims[0])
        inputs = (dims[0], *dims[:-1])
        self.encoder = nn.ModuleList(
            nn.Sequential(*[Block(a, kernel) for _ in range(depth)], ConvNormAct(a, b))
            for a, b, depth, kernel in zip(inputs, dims, config.depths, config.kernels, strict=True)
        )
        back = list(pairwise(dims[::-1]))
        self.up = nn.ModuleList(ConvNormAct(deep, shallow) for deep, shallow in back)
        self.fusion = nn.ModuleList(Fusion(shallow) for _, shallow in back)
        self.head = pointwise(dims[0], config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        x, skips = self.stem(image), []
        for level, stage in enumerate(self.encoder):
            x = stage(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for up, fusion, skip in zip(self.up, self.fusion, skips[-2::-1], strict=True):
            x = fusion(torch.cat([skip, up(double(x, align_corners=False))], 1))
        return self.head(x)
