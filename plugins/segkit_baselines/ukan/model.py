"""U-KAN (Li et al., AAAI 2025): learned splines in place of the token blocks' MLPs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import MapNorm, conv_twice, depthwise, double, init_conv, pointwise
from segkit_baselines.ukan import UKANConfig
from segkit_baselines.unext.model import Embed

ORDER, INNER = 3, 5  # cubic; intervals between -1 and 1
SPLINES = INNER + ORDER
STEP = 2 / INNER
NOISE = 0.01  # of the spline at the start


def splines(x: Tensor, knots: Tensor) -> Tensor:
    """The cubic B-splines at x (…, C): (…, C, 8), by Cox and de Boor; zero beyond the knots."""
    x = x.unsqueeze(-1)
    basis = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
    for k in range(1, ORDER + 1):
        rising = (x - knots[:, : -k - 1]) / (knots[:, k:-1] - knots[:, : -k - 1])
        falling = (knots[:, k + 1 :] - x) / (knots[:, k + 1 :] - knots[:, 1:-k])
        basis = rising * basis[..., :-1] + falling * basis[..., 1:]
    return basis


def through(values: Tensor, knots: Tensor) -> Tensor:
    """The smallest splines (…, 8) through the values (6, …) at the inner knots.

    Summed knot by knot: a matrix product or a solver rounds by where the memory lies, and the same
    seed would start from other bits.
    """
    exact = knots.double()
    at_knots = splines(exact[:, ORDER:-ORDER].t(), exact)[:, 0]  # (6, 8)
    solver = torch.linalg.pinv(at_knots).to(values)  # (8, 6)
    fitted = torch.zeros(*values.shape[1:], SPLINES, dtype=values.dtype)
    for column, value in zip(solver.t(), values, strict=True):
        fitted += column * value.unsqueeze(-1)
    return fitted


class KANLinear(nn.Module):
    """Every output is a sum of learned functions of the inputs: SiLU and splines."""

    grid: Tensor  # the knots

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        knots = torch.arange(-ORDER, INNER + ORDER + 1, dtype=torch.float64) * STEP - 1
        self.register_buffer("grid", knots.to(torch.get_default_dtype()).repeat(inputs, 1))
        self.base_weight = nn.Parameter(torch.empty(outputs, inputs))
        self.spline_weight = nn.Parameter(torch.empty(outputs, inputs, SPLINES))
        self.spline_scaler = nn.Parameter(torch.empty(outputs, inputs))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Splines through small noise at the inner knots."""
        for weight in (self.base_weight, self.spline_scaler):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        if self.grid.is_meta:
            return
        noise = (torch.rand(INNER + 1, *self.base_weight.shape) - 0.5) * 2 * NOISE
        self.spline_weight.copy_(through(noise.to(self.grid), self.grid[:1]))

    def forward(self, x: Tensor) -> Tensor:
        smooth = F.linear(F.silu(x), self.base_weight)
        scaled = self.spline_weight * self.spline_scaler.unsqueeze(-1)
        return smooth + F.linear(splines(x, self.grid).flatten(-2), scaled.flatten(1))


class KANBlock(nn.Module):
    """Three spline layers on each pixel, a convolution after each."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = MapNorm(channels)
        self.mix = nn.ModuleList(KANLinear(channels, channels) for _ in range(3))
        self.look = nn.ModuleList(
            nn.Sequential(depthwise(channels, 3), nn.BatchNorm2d(channels), nn.ReLU())
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        for mix, look in zip(self.mix, self.look, strict=True):
            y = look(mix(y.movedim(1, -1)).movedim(-1, 1))
        return x + y


class UKAN(nn.Module):
    """Three convolutional stages, two token stages; the decoder adds what the encoder kept."""

    def __init__(self, config: UKANConfig):
        super().__init__()
        c3, c4, c5 = config.widths
        c1, c2 = c3 // 8, c3 // 4
        ways = ((config.in_channels, c1), (c1, c2), (c2, c3))
        self.convs = nn.ModuleList(conv_twice(a, b, b) for a, b in ways)
        self.embeds = nn.ModuleList([Embed(c3, c4), Embed(c4, c5)])
        self.blocks = nn.ModuleList([KANBlock(c4), KANBlock(c5)])
        self.norms = nn.ModuleList([MapNorm(c4), MapNorm(c5)])
        back = ((c5, c4), (c4, c3), (c3, c2), (c2, c1), (c1, c1))
        self.widen = nn.ModuleList(conv_twice(a, a, b) for a, b in back)
        self.back_blocks = nn.ModuleList([KANBlock(c4), KANBlock(c3)])
        self.back_norms = nn.ModuleList([MapNorm(c4), MapNorm(c3)])
        self.head = pointwise(c1, config.num_classes)
        for part in (self.embeds, self.blocks, self.back_blocks):
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d):
                    init_conv(layer)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, kept = image, []
        for conv in self.convs:
            x = F.max_pool2d(conv(x), 2)
            kept.append(x)
        for embed, block, norm in zip(self.embeds, self.blocks, self.norms, strict=True):
            x = norm(block(embed(x)))
            kept.append(x)
        kept.pop()
        for step, widen in enumerate(self.widen):
            x = F.relu(double(widen(x), align_corners=False))
            if kept:
                x = x + kept.pop()
            if step < len(self.back_blocks):
                x = self.back_norms[step](self.back_blocks[step](x))
        return self.head(x)
