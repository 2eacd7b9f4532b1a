"""DermoMamba: a cross-scale Mamba-based model with guide fusion loss for skin lesion segmentation.

Pattern Analysis and Applications 28:128 (2025), https://doi.org/10.1007/s10044-025-01506-w.
The network is the one that was released: one cross-scale block and a convolution per stage, a
512-channel bottleneck at 1/32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.errors import UsageError
from segkit.nn.padding import run_padded
from segkit_dermomamba import DermoMambaConfig
from segkit_dermomamba.blocks import CBAM, ChannelAttention, ResidualMamba, Sweep

WIDTHS = (16, 32, 64, 128, 256)
BOTTLENECK = 512
SWEEP_WIDTH = 64


class EncoderStage(nn.Module):
    """Residual Mamba, then a convolution that doubles the width: the skip; its maximum goes on."""

    def __init__(self, channels: int):
        super().__init__()
        self.residual = ResidualMamba(channels)
        self.conv = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = F.relu(self.norm(self.conv(self.residual(x))))
        return F.max_pool2d(skip, 2), skip


class Bottleneck(nn.Module):
    """Channel attention around a skip, then the sweep over the three planes."""

    def __init__(self, grid: tuple[int, int]):
        super().__init__()
        self.attention = ChannelAttention(BOTTLENECK)
        self.sweep = Sweep(BOTTLENECK, SWEEP_WIDTH, grid)

    def forward(self, x: Tensor) -> Tensor:
        return self.sweep(self.attention(x) + x)


class DecoderStage(nn.Module):
    """Upsample, join the skip, two convolutions; the activation comes before the norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Conv2d(2 * channels, channels, 1)
        self.conv = nn.Conv2d(channels, channels // 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1)
        return self.norm(F.gelu(self.conv(self.reduce(joined))))


class DermoMamba(nn.Module):
    """image (B,3,H,W) in [0,1] -> logits (B,num_classes,H,W)."""

    def __init__(self, config: DermoMambaConfig | None = None):
        super().__init__()
        self.config = config or DermoMambaConfig()
        self.stem = nn.Conv2d(self.config.in_channels, WIDTHS[0], 1)
        self.encoder = nn.ModuleList(EncoderStage(width) for width in WIDTHS)
        self.gates = nn.ModuleList(CBAM(2 * width) for width in WIDTHS)
        self.bottleneck = Bottleneck(self.config.grid)
        self.decoder = nn.ModuleList(DecoderStage(2 * width) for width in reversed(WIDTHS))
        self.head = nn.Conv2d(WIDTHS[0], self.config.num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        self._check_size(image)
        return run_padded(self._segment, image, 32)

    def _segment(self, image: Tensor) -> Tensor:
        x, skips = self.stem(image), []
        for stage, gate in zip(self.encoder, self.gates, strict=True):
            x, skip = stage(x)
            skips.append(gate(skip))
        x = self.bottleneck(x)  # B,512,H/32,W/32
        for decode, skip in zip(self.decoder, reversed(skips), strict=True):
            x = decode(x, skip)
        return self.head(x)

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if self.config.variant == "faithful" and (height, width) != (192, 256):
            raise UsageError(
                f"dermomamba's variant faithful takes 192x256 only, not {height}x{width}",
                "its sweep is tied to a 6x8 bottleneck",
                "Use --size 192x256, or --set model.variant=general for any size.",
            )
        if self.training and image.shape[0] == 1 and height <= 32 and width <= 32:
            raise UsageError(
                f"dermomamba cannot train on one image of {height}x{width}",
                "its bottleneck would be a single pixel, which has no batch statistics",
                "Use --size 64 or more, or a larger batch.",
            )
