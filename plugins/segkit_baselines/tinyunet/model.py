"""TinyU-Net (Chen, Chen, Wang, Cheng, Zhang and Chen, MICCAI 2024): cascaded receptive fields."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import pointwise
from segkit_baselines.tinyunet import TinyUNetConfig


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)


class ConvNormGelu(nn.Sequential):
    """Pointwise convolution without bias, batch norm, GELU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(pointwise(inputs, outputs, bias=False), _norm(outputs), nn.GELU())


class CMRF(nn.Module):
    """Seven 3×3 convolutions in a row see ever more; all their outputs are kept."""

    def __init__(self, inputs: int, outputs: int, fields: int = 8):
        super().__init__()
        narrow = outputs // (2 * fields)
        self.same = inputs == outputs
        self.pwconv1 = ConvNormGelu(inputs, 2 * narrow)
        self.m = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow, bias=False), _norm(narrow)
            )
            for _ in range(fields - 1)
        )
        self.pwconv2 = ConvNormGelu(fields * narrow, outputs)

    def forward(self, x: Tensor) -> Tensor:
        u = self.pwconv1(x)
        even, odd = u[:, 0::2], u[:, 1::2]
        kept, field = [even + odd], odd
        for step in self.m:
            field = step(field)
            kept.append(field)
        y = self.pwconv2(torch.cat(kept, 1))
        return x + y if self.same else y


class TinyUNet(nn.Module):
    """Four poolings, no bottleneck block, bicubic doubling."""

    def __init__(self, config: TinyUNetConfig):
        super().__init__()
        widths = (64, 128, 256, 512)
        ladder = (config.in_channels, *widths)
        self.encoder = nn.ModuleList(CMRF(a, b, config.fields) for a, b in pairwise(ladder))
        deep = (512, 512, 256, 128)
        shallow = zip(deep, widths[::-1], strict=True)
        self.decoder = nn.ModuleList(CMRF(d + s, s, config.fields) for d, s in shallow)
        self.final_conv = pointwise(widths[0], config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        x, skips = image, []
        for block in self.encoder:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], 2)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=False)
            x = block(torch.cat([x, skip], 1))
        return self.final_conv(x)
