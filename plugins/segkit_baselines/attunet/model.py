"""Attention U-Net (Oktay et al., MIDL 2018), in the 2-D form of the benchmark papers."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.attunet import AttUNetConfig
from segkit_baselines.layers import AdditiveGate, ConvNormAct, pointwise


class DoubleConv(nn.Sequential):
    """Twice: 3×3 convolution with bias, batch norm, ReLU; the middle width may differ."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(ConvNormAct(inputs, outputs), ConvNormAct(outputs, outputs))


def _gate(channels: int) -> AdditiveGate:
    half = channels // 2
    g, x = (nn.Sequential(pointwise(channels, half), nn.BatchNorm2d(half)) for _ in "gx")
    return AdditiveGate(g, x, half)


class AttUNet(nn.Module):
    """The U-Net of 64 … 1024 channels with a gate on every skip (`gate=False`: its plain twin)."""

    def __init__(self, config: AttUNetConfig):
        super().__init__()
        widths = [config.width * 2**level for level in range(5)]
        self.encoder = nn.ModuleList(
            DoubleConv(a, b) for a, b in pairwise([config.in_channels, *widths])
        )
        back = list(pairwise(widths[::-1]))
        self.ups = nn.ModuleList(ConvNormAct(deep, shallow) for deep, shallow in back)
        self.gates = nn.ModuleList(_gate(shallow) for _, shallow in (back if config.gate else []))
        self.decoder = nn.ModuleList(DoubleConv(2 * shallow, shallow) for _, shallow in back)
        self.head = pointwise(config.width, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        x, skips = image, []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for step, skip in enumerate(skips[-2::-1]):
            u = self.ups[step](F.interpolate(x, scale_factor=2.0, mode="nearest"))
            kept = self.gates[step](u, skip) if self.gates else skip
            x = self.decoder[step](torch.cat([kept, u], 1))
        return self.head(x)
