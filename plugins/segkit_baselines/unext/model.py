"""UNeXt (Valanarasu and Patel, MICCAI 2022): convolutions above, shifted MLPs below."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import MapNorm, depthwise, double, init_transformer, pointwise
from segkit_baselines.unext import UNeXtConfig


def shift(x: Tensor, axis: int) -> Tensor:
    """Five channel chunks moved by −2 … 2 along an axis, zeros where nothing comes from."""
    pad = (0, 0, 2, 2) if axis == 2 else (2, 2, 0, 0)
    padded, length = F.pad(x, pad), x.shape[axis]
    chunk = -(-x.shape[1] // 5)
    moved = [
        part.narrow(axis, 4 - number, length)
        for number, part in enumerate(padded.split(chunk, dim=1))
    ]
    return torch.cat(moved, 1)


class ShiftedMLP(nn.Module):
    """Shift along the height, mix; convolve; shift along the width, mix."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = MapNorm(channels)
        self.fc1, self.dw = nn.Linear(channels, channels), depthwise(channels, 3)
        self.fc2 = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = _mix(self.fc1, shift(self.norm(x), 2))
        y = F.gelu(self.dw(y))
        return x + _mix(self.fc2, shift(y, 3))


def _mix(linear: nn.Linear, x: Tensor) -> Tensor:
    """A linear layer on the channels of a map."""
    return linear(x.movedim(1, -1)).movedim(-1, 1)


class Embed(nn.Module):
    """Half the size by a strided convolution, then a norm."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), MapNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Widen(nn.Module):
    """Convolution, (norm,) doubling, and only then the ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(double(self.norm(self.conv(x)), align_corners=False))


class UNeXt(nn.Module):
    """Three convolution stages, two token stages; the decoder adds what the encoder kept."""

    def __init__(self, config: UNeXtConfig):
        super().__init__()
        c1, c2, c3, c4, c5 = config.widths
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b))
            for a, b in ((config.in_channels, c1), (c1, c2), (c2, c3))
        )
        self.embeds = nn.ModuleList([Embed(c3, c4), Embed(c4, c5)])
        self.blocks = nn.ModuleList([ShiftedMLP(c4), ShiftedMLP(c5)])
        self.norms = nn.ModuleList([MapNorm(c4), MapNorm(c5)])
        self.widen = nn.ModuleList(
            [Widen(c5, c4), Widen(c4, c3), Widen(c3, c2), Widen(c2, c1), Widen(c1, c1, norm=False)]
        )
        self.back_blocks = nn.ModuleList([ShiftedMLP(c4), ShiftedMLP(c3)])
        self.back_norms = nn.ModuleList([MapNorm(c4), MapNorm(c3)])
        self.head = pointwise(c1, config.num_classes)
        for part in (self.embeds, self.blocks, self.back_blocks):
            init_transformer(part)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, kept = image, []
        for conv in self.convs:
            x = F.relu(F.max_pool2d(conv(x), 2))
            kept.append(x)
        for embed, block, norm in zip(self.embeds, self.blocks, self.norms, strict=True):
            x = norm(block(embed(x)))
            kept.append(x)
        kept.pop()
        for step, widen in enumerate(self.widen[:-1]):
            x = widen(x) + kept.pop()
            if step < len(self.back_blocks):
                x = self.back_norms[step](self.back_blocks[step](x))
        return self.head(self.widen[-1](x))
