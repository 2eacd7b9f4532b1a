"""MALUNet (Ruan, Xiang, Xie, Liu and Fu, BIBM 2022): attention modules on six narrow stages."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit_baselines.layers import depthwise, init_light, pointwise
from segkit_baselines.malunet import MALUNetConfig
from segkit_baselines.six_stage import SCAB, SixStages


class SeparableConv(nn.Sequential):
    """Depthwise convolution, group norm, pointwise convolution; no activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(
            depthwise(inputs, kernel), nn.GroupNorm(4, inputs), pointwise(inputs, outputs)
        )


class DGA(nn.Module):
    """Dilated convolutions on four channel groups, then a gated unit."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.groups = nn.ModuleList(
            depthwise(inputs // 4, 3, dilation) for dilation in (7, 5, 2, 1)
        )
        self.norm = nn.GroupNorm(4, inputs)
        self.mix = pointwise(inputs, inputs)
        self.gate = SeparableConv(inputs, inputs, 3)
        self.value = SeparableConv(inputs, inputs, 5)
        self.out = SeparableConv(inputs, outputs, 3)
        self.shortcut = pointwise(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        parts = [conv(part) for conv, part in zip(self.groups, x.chunk(4, 1), strict=True)]
        y = F.gelu(self.mix(self.norm(torch.cat(parts, 1))))
        gated = self.gate(y).sigmoid() * F.gelu(self.value(y))
        return F.gelu(self.out(gated)) + self.shortcut(y)


class EA(nn.Module):
    """External attention: the pixels address a memory of 4·C slots that all images share."""

    def __init__(self, channels: int):
        super().__init__()
        self.into = pointwise(channels, channels)
        self.keys = nn.Conv1d(channels, 4 * channels, 1, bias=False)
        self.values = nn.Conv1d(4 * channels, channels, 1, bias=False)
        self.out = pointwise(channels, channels, bias=False)
        self.norm = nn.GroupNorm(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        address = self.keys(self.into(x).flatten(2)).softmax(-1)  # (B, 4C, N), over the pixels
        address = address / (1e-9 + address.sum(1, keepdim=True))  # then over the slots
        recalled = self.values(address).unflatten(2, x.shape[-2:])
        return F.gelu(self.norm(self.out(recalled)) + x)

    @torch.no_grad()
    def tie(self) -> None:
        """The published start: the two memories are each other's transposes, trained apart."""
        self.values.weight.copy_(self.keys.weight.transpose(0, 1))


class MALUNet(SixStages):
    """External attention before the gated unit on the way down, after it on the way up."""

    def __init__(self, config: MALUNetConfig):
        super().__init__(
            config.in_channels,
            config.num_classes,
            [lambda a, b: nn.Sequential(EA(a), DGA(a, b))] * 3,
            [lambda a, b: nn.Sequential(DGA(a, b), EA(b))] * 3,
            SCAB(),
        )
        init_light(self)
        for module in self.modules():
            if isinstance(module, EA):
                module.tie()
