"""U-Lite (Dinh, Nguyen, Tran and Pham, APSIPA ASC 2023): axial depthwise convolutions."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import pointwise
from segkit_baselines.ulite import ULiteConfig


class Axial(nn.Module):
    """x plus a column and a row convolution, both of x."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1):
        super().__init__()
        reach = dilation * (kernel - 1) // 2
        self.dw_h = nn.Conv2d(
            channels, channels, (kernel, 1), padding=(reach, 0), dilation=dilation, groups=channels
        )
        self.dw_w = nn.Conv2d(
            channels, channels, (1, kernel), padding=(0, reach), dilation=dilation, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dw_h(x) + self.dw_w(x)


class Encoder(nn.Module):
    """Gives the pooled features and the skip."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.dw, self.bn = Axial(inputs, 7), nn.BatchNorm2d(inputs)
        self.pw = pointwise(inputs, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.bn(self.dw(x))
        return F.gelu(F.max_pool2d(self.pw(skip), 2)), skip


class Decoder(nn.Module):
    """Nearest doubling, join, shrink, axial convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.pw, self.bn = pointwise(inputs + outputs, outputs), nn.BatchNorm2d(outputs)
        self.dw, self.pw2 = Axial(outputs, 7), pointwise(outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.bn(self.pw(torch.cat([x, skip], 1)))
        return F.gelu(self.pw2(self.dw(x)))


class Bottleneck(nn.Module):
    """A quarter of the channels, seen at three dilations."""

    def __init__(self, channels: int):
        super().__init__()
        quarter = channels // 4
        self.pw1 = pointwise(channels, quarter)
        self.dws = nn.ModuleList(Axial(quarter, 3, dilation) for dilation in (1, 2, 3))
        self.bn, self.pw2 = nn.BatchNorm2d(channels), pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        u = self.pw1(x)
        return F.gelu(self.pw2(self.bn(torch.cat([u, *(dw(u) for dw in self.dws)], 1))))


class ULite(nn.Module):
    """Stem, five encoders, bottleneck, five decoders, head."""

    def __init__(self, config: ULiteConfig):
        super().__init__()
        widths = (16, 32, 64, 128, 256, 512)
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 7, padding=3)
        self.encoder = nn.ModuleList(Encoder(a, b) for a, b in pairwise(widths))
        self.bottleneck = Bottleneck(widths[-1])
        self.decoder = nn.ModuleList(Decoder(a, b) for a, b in pairwise(widths[::-1]))
        self.conv_out = pointwise(widths[0], config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, skips = self.conv_in(image), []
        for block in self.encoder:
            x, skip = block(x)
            skips.append(skip)
        x = self.bottleneck(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(x, skip)
        return self.conv_out(x)
