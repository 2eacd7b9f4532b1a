"""VM-UNet (Ruan, Li and Xiang, 2024): visual state-space blocks in a U; from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit.nn.ss2d import SS2D
from segkit_baselines.layers import DropPath, drop_rates, init_linears, pointwise
from segkit_baselines.vmunet import VMUNetConfig


class VSS(nn.Module):
    """x + SS2D(norm(x)) on (B, H, W, C), with stochastic depth."""

    def __init__(self, width: int, drop: float):
        super().__init__()
        self.ln_1, self.self_attention = nn.LayerNorm(width), SS2D(width)
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.self_attention(self.ln_1(x)))


class Merge(nn.Module):
    """Half the grid: four neighbours become one pixel of twice the width."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1)))


class Expand(nn.Module):
    """p times the grid: each pixel's channels become p×p pixels of width/`shrink`."""

    def __init__(self, width: int, factor: int, outputs: int):
        super().__init__()
        self.factor = factor
        self.expand = nn.Linear(width, factor * factor * outputs, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        p = self.factor
        x = self.expand(x).unflatten(-1, (p, p, -1))  # (B, H, W, p, p, c)
        x = x.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)
        return self.norm(x)


class VMUNet(nn.Module):
    """Patches of 4×4, four stages down and up; skips are added before expanding."""

    def __init__(self, config: VMUNetConfig):
        super().__init__()
        widths = [config.width * 2**stage for stage in range(4)]
        self.patch = nn.Conv2d(config.in_channels, widths[0], 4, stride=4)
        self.patch_norm = nn.LayerNorm(widths[0])
        self.encoder = stages(widths, config.depths, config.drop_path)
        self.merges = nn.ModuleList(Merge(width) for width in widths[:3])
        self.decoder = stages(widths[::-1], config.decoder_depths, config.drop_path, falling=True)
        self.expands = nn.ModuleList(Expand(w, 2, w // 2) for w in widths[:0:-1])
        self.final = Expand(widths[0], 4, widths[0] // 4)
        self.head = pointwise(widths[0] // 4, config.num_classes)
        init_linears(self)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x = self.patch_norm(self.patch(image).permute(0, 2, 3, 1))  # (B, H/4, W/4, C)
        skips = []
        for number, stage in enumerate(self.encoder):
            if number:
                x = self.merges[number - 1](x)
            skips.append(x)  # the input of the stage
            x = stage(x)
        for number, stage in enumerate(self.decoder):
            if number:
                x = self.expands[number - 1](x + skips[4 - number])
            x = stage(x)
        return self.head(self.final(x).permute(0, 3, 1, 2))


def stages(
    widths: Sequence[int], depths: Sequence[int], drop: float, falling: bool = False
) -> nn.ModuleList:
    """Blocks with stochastic depth that grows (or falls) over all of them."""
    rates = drop_rates(drop, sum(depths))
    queue = iter(rates[::-1] if falling else rates)
    return nn.ModuleList(
        nn.Sequential(*[VSS(width, next(queue)) for _ in range(depth)])
        for width, depth in zip(widths, depths, strict=True)
    )
