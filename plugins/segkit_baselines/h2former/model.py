"""H2Former (He et al., 2023): residual stages, each followed by a pair of Swin blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.h2former import H2FormerConfig
from segkit_baselines.layers import ConvNormAct, double, drop_rates
from segkit_baselines.resnet import LAYERS, WIDTHS, residual_stage
from segkit_baselines.windows import SwinBlock

HEADS, BLOCKS = (2, 4, 8, 16), 2
PATCHES = ((2, 0, 32), (4, 1, 16), (8, 3, 8), (16, 7, 8))  # kernel, padding, width; all stride 2


class ChannelAttention(nn.Module):
    """x · σ(g) + x: g mixes the means of three neighbouring channels. x (B, C, …)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv(x.flatten(2).mean(2)[:, None])[:, 0].sigmoid()
        return x * gate.view(*gate.shape, *[1] * (x.ndim - 2)) + x


class ScrambledMLP(nn.Module):
    """An MLP whose result (N, c) is read in memory's order as (c, N) before channel attention.

    No transposition, as released: weights that were trained so need it.
    """

    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.attention = ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        y = self.fc2(F.gelu(self.fc1(x))).flatten(1).unflatten(1, (channels, -1))
        return self.attention(y).transpose(1, 2).unflatten(1, (height, width))


class PatchEmbedding(nn.Module):
    """Four kernels side by side on the picture, at H/2."""

    def __init__(self, inputs: int):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, width, kernel, stride=2, padding=padding)
            for kernel, padding, width in PATCHES
        )
        self.attention, self.norm = ChannelAttention(), nn.LayerNorm(WIDTHS[0])

    def forward(self, image: Tensor) -> Tensor:
        x = self.attention(torch.cat([conv(image) for conv in self.convs], 1))
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class PatchMerging(nn.Module):
    """Two kernels side by side: half the grid, twice the width."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.small = nn.Conv2d(width, width, 2, stride=2)
        self.large = nn.Conv2d(width, width, 4, stride=2, padding=1)
        self.attention = ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return self.attention(torch.cat([self.small(x), self.large(x)], 1))


class Stage(nn.Module):
    """What the residual stage and the patches say, added, then a pair of Swin blocks."""

    def __init__(self, number: int, patches: nn.Module, window: int, drops: list[float]):
        super().__init__()
        width, before = WIDTHS[number], WIDTHS[max(0, number - 1)]
        self.residual = residual_stage(before, width, LAYERS[34][number], stride=min(2, number + 1))
        self.patches = patches
        self.blocks = nn.Sequential(
            *(
                SwinBlock(width, HEADS[number], window, index % 2 == 1, drop, ScrambledMLP(width))
                for index, drop in enumerate(drops)
            )
        )

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        x = self.residual(x) + self.patches(source)
        return self.blocks(x.movedim(1, -1)).movedim(-1, 1)


class Up(nn.Module):
    """Twice the grid, joined with the encoder's map, a convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.conv = ConvNormAct(2 * outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([self.up(x), skip], 1))


class H2Former(nn.Module):
    """Stages at H/2 … H/16 and a plain decoder back to H/2."""

    def __init__(self, config: H2FormerConfig):
        super().__init__()
        self.multiple = 16 * config.window
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, WIDTHS[0], 7, padding=3, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
        )
        patches = [PatchEmbedding(config.in_channels), *(PatchMerging(w) for w in WIDTHS[:3])]
        rates = drop_rates(config.drop_path, 4 * BLOCKS)
        self.stages = nn.ModuleList(
            Stage(i, patches[i], config.window, rates[BLOCKS * i : BLOCKS * (i + 1)])
            for i in range(4)
        )
        self.decoder = nn.ModuleList(
            Up(a, b) for a, b in zip(WIDTHS[:0:-1], WIDTHS[2::-1], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[0], config.num_classes, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, self.multiple)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16 windows."""
        x = F.max_pool2d(F.relu(self.stem(image)), 3, stride=2, padding=1)
        source, maps = image, []
        for stage in self.stages:
            x = source = stage(x, source)
            maps.append(x)
        for up, skip in zip(self.decoder, maps[2::-1], strict=True):
            x = up(x, skip)
        return self.head(double(x))
