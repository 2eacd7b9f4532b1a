"""MambaLiteUNet (Rahman, Jung and Hammond, CVPR 2026): fusion of four Mambas, gated skips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.mamba1d import Mamba1d
from segkit_baselines.layers import (
    SelfAttention,
    depthwise,
    double,
    pointwise,
    to_grid,
    to_tokens,
)
from segkit_baselines.mambaliteunet import MambaLiteConfig
from segkit_baselines.six_stage import SixStages

HEADS, EPS = 8, 1e-5


def line(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Conv1d:
    """A convolution along the pixels in row-major order."""
    return nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


def separable(inputs: int, outputs: int) -> nn.Sequential:
    """Depthwise along the pixels, then pointwise."""
    return nn.Sequential(line(inputs, inputs, 3, inputs), line(inputs, outputs, 1))


class Depthwise(nn.Module):
    """Each channel normalised over the map, then a depthwise convolution."""

    def __init__(self, channels: int):
        super().__init__()
        # never used, as released
        self.weight = nn.Parameter(torch.ones(channels), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.dwconv = depthwise(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean((2, 3), keepdim=True)
        # written out: torch's instance norm refuses a single pixel
        return self.dwconv(centred * (centred.square().mean((2, 3), keepdim=True) + EPS).rsqrt())


class Mixing(nn.Module):
    """A line convolution beside self-attention over all pixels."""

    def __init__(self, channels: int):
        super().__init__()
        self.local_conv = line(channels, channels, 3, channels)
        self.global_attn = SelfAttention(channels, HEADS)
        self.norm, self.fc = nn.LayerNorm(channels), nn.Linear(2 * channels, channels)
        self.dwconv = Depthwise(channels)

    def forward(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, N) to (B, N, C)."""
        near, far = self.local_conv(pixels).mT, self.global_attn(pixels.mT)
        mixed = F.gelu(self.norm(self.fc(torch.cat([near, far], -1))))
        return to_tokens(self.dwconv(to_grid(mixed, size)))


class AMF(nn.Module):
    """Adaptive multi-branch Mamba fusion."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.mamba = nn.ModuleList(Mamba1d(inputs // 4) for _ in range(4))
        self.skip_scale = nn.Parameter(torch.ones(1))
        self.weigh = nn.Sequential(line(inputs, 4, 3, groups=4), line(4, 4, 1))
        self.refine, self.join = separable(inputs, inputs), separable(2 * inputs, inputs)
        self.mixing, self.proj = Mixing(inputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        size, pixels = x.shape[-2:], x.flatten(2)  # (B, C, N)
        passed = self.pass_mambas(self.norm(pixels.mT)).mT
        weights = self.weigh(passed).sigmoid().unsqueeze(2)  # (B, 4, 1, N)
        weighted = (weights * passed.unflatten(1, (4, -1))).flatten(1, 2)
        refined = self.refine(weighted) + weighted
        joined = self.join(torch.cat([pixels, refined], 1)) + pixels
        return to_grid(self.proj(self.norm(self.mixing(joined, size))), size)

    def pass_mambas(self, tokens: Tensor) -> Tensor:
        """A quarter of the channels through each Mamba."""
        quarters = zip(self.mamba, tokens.chunk(4, -1), strict=True)
        return torch.cat([mamba(part) for mamba, part in quarters], -1) + self.skip_scale * tokens


def _seen(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU())


class Branch(nn.Module):
    """A quarter of the channels of both sides: scanned, then each weighted by the other."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.mamba_g, self.mamba_x = Mamba1d(channels), Mamba1d(channels)
        self.gate_g = _seen(depthwise(channels, 3), channels)
        self.gate_x = _seen(depthwise(channels, 3), channels)
        self.project = nn.Sequential(
            _seen(depthwise(channels, 3), channels), _seen(pointwise(channels, outputs), outputs)
        )

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        gate, skip = _scan(self.mamba_g, gate), _scan(self.mamba_x, skip)
        # σ of a ReLU: the weights lie between 1/2 and 1
        crossed = skip * self.gate_g(gate).sigmoid() + gate * self.gate_x(skip).sigmoid()
        return self.project(crossed)


class CGA(nn.Module):
    """The skip, weighted by what eight Mambas say of it and of the decoder's features."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.branches = nn.ModuleList(Branch(channels // 4, half) for _ in range(4))
        self.combine = nn.Sequential(
            _seen(nn.Conv2d(4 * half, half, 3, padding=1), half),
            pointwise(half, 1),
            nn.BatchNorm2d(1),
        )

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        quarters = zip(self.branches, gate.chunk(4, 1), skip.chunk(4, 1), strict=True)
        seen = torch.cat([branch(g, x) for branch, g, x in quarters], 1)
        return skip * self.combine(seen).sigmoid()


def _scan(mamba: nn.Module, x: Tensor) -> Tensor:
    return to_grid(mamba(to_tokens(x)), x.shape[-2:])


class MambaLiteUNet(SixStages):
    """The six-stage skeleton; four of the five skips are gated by what they join."""

    def __init__(self, config: MambaLiteConfig):
        deep = [AMF] * 3
        super().__init__(
            config.in_channels, config.num_classes, deep, deep, nn.Identity(), config.widths
        )
        self.gates = nn.ModuleList(CGA(width) for width in config.widths[4:0:-1])
        _init(self)
        if config.init == "proper":
            for module in self.modules():
                if isinstance(module, Mamba1d):
                    module.reset_scan_parameters()

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        *stages, x = self.contract(image)
        for step, skip in enumerate(reversed(stages)):
            x = self.lift(step, x)
            x = x + (self.gates[step](x, skip) if step < 4 else skip)
        return double(self.head(x))

    def lift(self, step: int, x: Tensor) -> Tensor:
        """Activated before it is resized, unlike in the other six-stage networks."""
        x = F.gelu(self.decoder_norm[step](self.decoder[step](x)))
        return double(x) if step else x


def _init(network: nn.Module) -> None:
    """As released; it reaches inside the Mambas and erases the bias of their steps."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
