"""UltraLBM-UNet (Fan et al., 2025): six stages, one Mamba for two quarters of the channels."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.mamba1d import Mamba1d
from segkit_baselines.layers import depthwise, init_light, pointwise, to_grid, to_tokens
from segkit_baselines.six_stage import Maker, SixStages
from segkit_baselines.ultralbm import UltraLBMConfig


class Separable(nn.Module):
    """Depthwise and pointwise convolution, each with norm and GELU."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.dw, self.bn_dw = depthwise(channels, kernel, bias=False), nn.BatchNorm2d(channels)
        self.pw, self.bn_pw = pointwise(channels, channels, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.bn_pw(self.pw(F.gelu(self.bn_dw(self.dw(x))))))


class Quarters(nn.Module):
    """Norm, four quarters of the channels on ways of their own, the same norm, projection."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.skip_scale = nn.Parameter(torch.ones(1))
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        grid = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        mixed = torch.cat(self.mix(grid.chunk(4, 1)), 1) + self.skip_scale * grid
        return to_grid(self.proj(self.norm(to_tokens(mixed))), size)

    def mix(self, quarters: tuple[Tensor, ...]) -> list[Tensor]:
        """What joins each quarter (B, C/4, H, W); the last passes as it is."""
        raise NotImplementedError


class LocalMix(Quarters):
    """Three quarters pass separable convolutions."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs)
        self.sep_conv = nn.ModuleList(Separable(inputs // 4, kernel) for _ in range(3))

    def mix(self, quarters: tuple[Tensor, ...]) -> list[Tensor]:
        looked = [conv(part) for conv, part in zip(self.sep_conv, quarters, strict=False)]
        return [*looked, quarters[3]]


class GlobalMix(Quarters):
    """Two quarters pass one Mamba twice, a third passes a separable convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, second_pass: str):
        super().__init__(inputs, outputs)
        self.mamba = Mamba1d(inputs // 4)
        self.sep_conv = Separable(inputs // 4, kernel)
        self.axis = 2 if second_pass == "channels" else 1

    def mix(self, quarters: tuple[Tensor, ...]) -> list[Tensor]:
        size = quarters[0].shape[-2:]
        both = torch.cat([to_tokens(part) for part in quarters[:2]])  # (2B, N, C/4)
        there, back = self.mamba(torch.cat([both, both.flip(self.axis)])).unflatten(0, (2, -1))
        passed = to_grid(there + back.flip(self.axis), size).unflatten(0, (2, -1))
        return [passed[0], passed[1], self.sep_conv(quarters[2]), quarters[3]]


class Weighted(nn.Module):
    """The skips as they are, times one learned number."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.ones(()))

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        return [self.k * stage for stage in stages]


class UltraLBMUNet(SixStages):
    """The six-stage skeleton with local mixing at H/8 and global mixing below."""

    def __init__(self, config: UltraLBMConfig):
        def wide(kernel: int) -> Maker:
            return partial(GlobalMix, kernel=kernel, second_pass=config.second_pass)

        local = partial(LocalMix, kernel=3)
        super().__init__(
            config.in_channels,
            config.num_classes,
            [local, wide(5), wide(7)],
            [wide(7), wide(5), local],
            Weighted(),
            config.widths,
        )
        init_light(self)
