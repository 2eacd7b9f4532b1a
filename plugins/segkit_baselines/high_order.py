"""What H-vmunet and MHorUNet share: blocks of recursive gating on the six-stage skeleton."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from segkit_baselines.layers import MLP, DropPath, MapNorm, depthwise, init_light, pointwise
from segkit_baselines.six_stage import SCAB, Maker, SixStages

FILTERS = {2: (14, 8), 3: (14, 8), 4: (24, 13), 5: (12, 7)}  # order -> grid of a filter's tensor
BlockMaker = Callable[[int, int, float], nn.Module]  # channels, order, drop path
EPS, SCALE = 1e-6, 1e-6
SHARE = 3  # what the seen half is divided by


def gate_widths(channels: int, order: int) -> list[int]:
    """Half, quarter, … of the channels, the narrowest first."""
    return [channels >> (order - 1 - step) for step in range(order)]


class HighOrder(nn.Module):
    """Recursive gates: z_0 = s(p·b_0), z_j = s(W_j z_{j−1} · b_j); `look` sees all b at once.

    `passes` holds one module for each order (nothing where a network has none).
    """

    def __init__(self, channels: int, order: int, look: nn.Module, passes: Sequence[nn.Module]):
        super().__init__()
        widths = gate_widths(channels, order)
        self.split = [widths[0], sum(widths)]
        self.widths = widths
        self.proj_in, self.look = pointwise(channels, 2 * channels), look
        self.passes = nn.ModuleList(passes)
        self.widen = nn.ModuleList(pointwise(a, b) for a, b in pairwise(widths))
        self.proj_out = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        first, rest = self.proj_in(x).split(self.split, 1)
        gates = (self.look(rest) / SHARE).split(self.widths, 1)
        z = self.passes[0](first * gates[0])
        for widen, gate, module in zip(self.widen, gates[1:], self.passes[1:], strict=True):
            z = module(widen(z) * gate)
        return self.proj_out(z)


class HorBlock(nn.Module):
    """Gates, then an MLP, both residual with a learned scale for each channel."""

    def __init__(self, channels: int, gates: nn.Module, drop: float):
        super().__init__()
        self.norm1, self.gates = MapNorm(channels, eps=EPS), gates
        self.norm2, self.mlp = nn.LayerNorm(channels, eps=EPS), MLP(channels, 4 * channels)
        self.gamma1 = nn.Parameter(torch.full((channels,), SCALE))
        self.gamma2 = nn.Parameter(torch.full((channels,), SCALE))
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.gamma1[:, None, None] * self.gates(self.norm1(x)))
        y = self.gamma2 * self.mlp(self.norm2(x.movedim(1, -1)))
        return x + self.drop(y.movedim(-1, 1))


def halves_joined(a: Tensor, b: Tensor) -> Tensor:
    """a_0, b_0, a_1, b_1, …"""
    return torch.stack([a, b], 2).flatten(1, 2)


class Interleaved(nn.Module):
    """Half of the channels convolved, half seen from afar (`far`), interleaved."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.pre_norm = MapNorm(channels, eps=EPS)
        self.post_norm = MapNorm(channels, eps=EPS)
        self.dw = depthwise(half, 3, bias=False)

    def far(self, x: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} sees nothing from afar")

    def forward(self, x: Tensor) -> Tensor:
        near, rest = self.pre_norm(x).chunk(2, 1)
        return self.post_norm(halves_joined(self.dw(near), self.far(rest)))


def stage_down(
    block: BlockMaker, inputs: int, outputs: int, order: int, rates: Sequence[float]
) -> nn.Sequential:
    """Blocks, then the convolution to the next width."""
    blocks = (block(inputs, order, rate) for rate in rates)
    return nn.Sequential(*blocks, nn.Conv2d(inputs, outputs, 3, padding=1))


class HighOrderUNet(SixStages):
    """Two plain stages, four of blocks on the way down and up, MALUNet's bridge."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        widths: Sequence[int],
        encode: Sequence[Maker],
        decode: Sequence[Maker],
    ):
        super().__init__(inputs, classes, encode, decode, SCAB(widths[:5]), widths)
        init_light(self)
