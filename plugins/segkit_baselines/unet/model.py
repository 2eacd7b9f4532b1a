"""U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), with batch norm and zero-padded convolutions.

A contracting path of double convolutions and poolings, an expanding path that joins each level's
features with the upsampled ones from below.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import ConvNormAct, double, pointwise
from segkit_baselines.unet import UNetConfig


class DoubleConv(nn.Sequential):
    """Twice: 3×3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        first = ConvNormAct(inputs, outputs, bias=False)
        super().__init__(*first, *ConvNormAct(outputs, outputs, bias=False))  # six flat layers


class Up(nn.Module):
    """Twice the size: a transposed convolution, or bilinear resizing and a 1×1 convolution."""

    def __init__(self, inputs: int, outputs: int, how: str):
        super().__init__()
        self.how = how
        self.conv: nn.Module
        if how == "transposed":
            self.conv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        else:
            self.conv = pointwise(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if self.how == "transposed" else double(x, align_corners=False)


class UNet(nn.Module):
    """The network: encoder, decoder with skips, 1×1 head."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        widths = [config.width * 2**level for level in range(config.levels)]
        self.multiple = 2 ** (config.levels - 1)
        self.encoder = nn.ModuleList(
            DoubleConv(a, b) for a, b in pairwise([config.in_channels, *widths])
        )
        steps = list(pairwise(widths[::-1]))  # deep to shallow
        self.ups = nn.ModuleList(Up(deep, shallow, config.up) for deep, shallow in steps)
        self.decoder = nn.ModuleList(DoubleConv(2 * shallow, shallow) for _, shallow in steps)
        self.head = pointwise(config.width, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, self.multiple)

    def logits(self, image: Tensor) -> Tensor:
        """The network proper; `image` has sides that are multiples of `self.multiple`."""
        skips = []
        x = image
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)  # (B, width·2^level, H/2^level, W/2^level)
        for up, block, skip in zip(self.ups, self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat([skip, up(x)], dim=1))
        return self.head(x)
