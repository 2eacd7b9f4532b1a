"""MHorUNet (Wu et al., 2024): high-order gates, large kernels, filters of the frequencies."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit_baselines.high_order import (
    FILTERS,
    HighOrder,
    HighOrderUNet,
    HorBlock,
    Interleaved,
    gate_widths,
    stage_down,
)
from segkit_baselines.layers import depthwise, drop_rates
from segkit_baselines.mhorunet import MHorUNetConfig

ORDERS = (2, 3, 4, 5)  # of the third to the sixth stage
FILTERED = 4  # from this order on


class GlobalFilter(Interleaved):
    """Half of the channels convolved, half filtered in their frequencies."""

    def __init__(self, channels: int, order: int):
        super().__init__(channels)
        self.complex_weight = nn.Parameter(torch.empty(channels // 2, *FILTERS[order], 2))
        nn.init.trunc_normal_(self.complex_weight, std=0.02)

    def far(self, x: Tensor) -> Tensor:
        """Real and imaginary part of every frequency weighted; float32 at least."""
        wide = x if x.dtype == torch.float64 else x.float()
        weight = self.complex_weight.permute(3, 0, 1, 2).to(wide.dtype)  # (2, C, h, w)
        height, width = x.shape[-2:]
        weight = F.interpolate(
            weight, size=(height, width // 2 + 1), mode="bilinear", align_corners=True
        )
        if torch.compiler.is_exporting():
            return filter_by_products(wide, weight).to(x.dtype)
        spectrum = torch.fft.rfft2(wide, norm="ortho") * torch.complex(weight[0], weight[1])
        return torch.fft.irfft2(spectrum, s=(height, width), norm="ortho").to(x.dtype)


def filter_by_products(x: Tensor, weight: Tensor) -> Tensor:
    """The same by matrix products with cosines and sines, for formats that have no transform."""
    height, width = x.shape[-2:]
    rows, columns = _waves(height, height, x), _waves(width, width // 2 + 1, x)
    real, imaginary = x @ columns[0], -(x @ columns[1])  # (B, C, H, W/2+1)
    real, imaginary = _turn(rows, real, imaginary, -1)
    real, imaginary = (
        real * weight[0] - imaginary * weight[1],
        real * weight[1] + imaginary * weight[0],
    )
    real, imaginary = _turn(rows, real, imaginary, 1)
    frequency = torch.arange(width // 2 + 1, device=x.device)
    # all but the first and, of an even width, the last stand for two frequencies
    alone = (frequency == 0) | (2 * frequency == width)
    share = torch.where(alone, 1.0, 2.0).to(x.dtype)
    real, imaginary = real * share, imaginary * share
    return (real @ columns[0].mT - imaginary @ columns[1].mT) / (height * width)


def _waves(length: int, frequencies: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (length, frequencies) of one turn for each frequency."""
    place = torch.arange(length, device=like.device)
    product = place[:, None] * torch.arange(frequencies, device=like.device)
    angle = (product % length).to(like.dtype) * (2 * math.pi / length)
    return angle.cos(), angle.sin()


def _turn(
    waves: tuple[Tensor, Tensor], real: Tensor, imaginary: Tensor, sign: int
) -> tuple[Tensor, Tensor]:
    """The transform over the rows (sign −1) or back, without a factor."""
    cosine, sine = waves[0], sign * waves[1]
    return cosine @ real - sine @ imaginary, cosine @ imaginary + sine @ real


def block(channels: int, order: int, drop: float) -> HorBlock:
    """Gates of this order; large kernels, or filters from the fourth order on."""
    seen = sum(gate_widths(channels, order))
    look = GlobalFilter(seen, order) if order >= FILTERED else depthwise(seen, 7)
    passes = [nn.Identity() for _ in range(order)]
    return HorBlock(channels, HighOrder(channels, order, look, passes), drop)


def decoder_stage(inputs: int, outputs: int, order: int, rates: list[float]) -> nn.Sequential:
    """The convolution first, then the blocks."""
    blocks = (block(outputs, order, rate) for rate in rates)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), *blocks)


class MHorUNet(HighOrderUNet):
    """Orders 2 to 5 from the third stage on, and back."""

    def __init__(self, config: MHorUNetConfig):
        rates = drop_rates(config.drop_path, sum(config.depths))
        starts = [sum(config.depths[:n]) for n in range(4)]
        shares = [rates[a : a + n] for a, n in zip(starts, config.depths, strict=True)]
        back = [[shares[3][-1]] * config.depths[3], *shares[2::-1]]
        encode = [
            partial(stage_down, block, order=n, rates=r)
            for n, r in zip(ORDERS, shares, strict=True)
        ]
        decode = [
            partial(decoder_stage, order=n, rates=r)
            for n, r in zip(ORDERS[::-1], back, strict=True)
        ]
        super().__init__(config.in_channels, config.num_classes, config.widths, encode, decode)
