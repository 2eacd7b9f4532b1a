"""Swin-Unet (Cao et al., 2022): shifted-window transformers down and up, skips joined."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import MLP, drop_rates, init_linears
from segkit_baselines.swin_unet import SwinUnetConfig
from segkit_baselines.vmunet.model import Expand, Merge
from segkit_baselines.windows import SwinBlock

WIDTHS, HEADS, BLOCKS = (96, 192, 384, 768), (3, 6, 12, 24), 2


def _stage(number: int, window: int, drops: list[float]) -> nn.Sequential:
    """Two blocks; the windows of the second are shifted."""
    width, heads = WIDTHS[number], HEADS[number]
    return nn.Sequential(
        *(
            SwinBlock(width, heads, window, index % 2 == 1, drop, MLP(width, 4 * width))
            for index, drop in enumerate(drops)
        )
    )


class SwinUnet(nn.Module):
    """Patches of 4×4, four stages down, three up, a fourfold expansion."""

    def __init__(self, config: SwinUnetConfig):
        super().__init__()
        rates = drop_rates(config.drop_path, 4 * BLOCKS)
        drops = [rates[BLOCKS * i : BLOCKS * (i + 1)] for i in range(4)]
        # stage i sees 1/(4·2^i) of the picture, cut into windows
        self.multiple = math.lcm(*(4 * 2**i * m for i, m in enumerate(config.windows)), 32)
        self.patch = nn.Conv2d(config.in_channels, WIDTHS[0], 4, stride=4)
        self.patch_norm = nn.LayerNorm(WIDTHS[0])
        self.encoder = nn.ModuleList(_stage(i, config.windows[i], drops[i]) for i in range(4))
        self.merges = nn.ModuleList(Merge(width) for width in WIDTHS[:3])
        self.norm = nn.LayerNorm(WIDTHS[3])
        self.expands = nn.ModuleList(Expand(width, 2, width // 2) for width in WIDTHS[:0:-1])
        self.joins = nn.ModuleList(nn.Linear(2 * width, width) for width in WIDTHS[2::-1])
        self.decoder = nn.ModuleList(_stage(i, config.windows[i], drops[i]) for i in (2, 1, 0))
        self.norm_up = nn.LayerNorm(WIDTHS[0])
        self.final = Expand(WIDTHS[0], 4, WIDTHS[0])
        self.head = nn.Conv2d(WIDTHS[0], config.num_classes, 1, bias=False)
        init_linears(self)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, self.multiple)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32 windows."""
        x = self.patch_norm(self.patch(image).permute(0, 2, 3, 1))  # (B, H/4, W/4, C)
        skips = []
        for number, stage in enumerate(self.encoder):
            if number:
                x = self.merges[number - 1](x)
            skips.append(x)  # the input of the stage
            x = stage(x)
        x = self.norm(x)
        for number, stage in enumerate(self.decoder):
            x = torch.cat([self.expands[number](x), skips[2 - number]], -1)
            x = stage(self.joins[number](x))
        return self.head(self.final(self.norm_up(x)).permute(0, 3, 1, 2))
