"""H-vmunet (Wu et al., Neurocomputing 2025): high-order gates around 2-D selective scans."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from segkit.nn.ss2d import SS2D
from segkit_baselines.high_order import (
    FILTERS,
    HighOrder,
    HighOrderUNet,
    HorBlock,
    Interleaved,
    gate_widths,
    stage_down,
)
from segkit_baselines.hvmunet import HVMUNetConfig
from segkit_baselines.layers import drop_rates

ORDERS = (2, 3, 4, 5)  # of the third to the sixth stage


class Scan(SS2D):
    """A 2-D selective scan of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class LocalScan(Interleaved):
    """Half of the channels convolved, half scanned."""

    def __init__(self, channels: int, order: int):
        super().__init__(channels)
        half = channels // 2
        self.scan = Scan(half)
        # never used, as released
        filters = torch.randn(half, *FILTERS[order], 2) * 0.02
        self.complex_weight = nn.Parameter(filters, requires_grad=False)

    def far(self, x: Tensor) -> Tensor:
        return self.scan(x)


def block(channels: int, order: int, drop: float) -> HorBlock:
    """Gates of this order, each followed by a scan."""
    widths = gate_widths(channels, order)
    look = LocalScan(sum(widths), order)
    return HorBlock(channels, HighOrder(channels, order, look, list(map(Scan, widths))), drop)


class HVMUNet(HighOrderUNet):
    """Orders 2 to 5 from the third stage on, and back."""

    def __init__(self, config: HVMUNetConfig):
        rates = drop_rates(config.drop_path, 2 * len(ORDERS))
        pairs = list(zip(rates[::2], rates[1::2], strict=True))
        encode = [
            partial(stage_down, block, order=n, rates=r) for n, r in zip(ORDERS, pairs, strict=True)
        ]
        back = [(pairs[3][0],) * 2, *pairs[2::-1]]  # the deepest pair is one rate twice
        decode = [
            partial(stage_down, block, order=n, rates=r)
            for n, r in zip(ORDERS[::-1], back, strict=True)
        ]
        super().__init__(config.in_channels, config.num_classes, config.widths, encode, decode)
