"""Small layers that several baselines share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def depthwise(channels: int, kernel: int, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    """A depthwise convolution that keeps the size."""
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(
        channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=bias
    )


def pointwise(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """A 1×1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def double(x: Tensor, align_corners: bool = True) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=align_corners)


def resize(x: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """To the size of `like`, bilinear."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=align_corners)


def mean_and_top(x: Tensor) -> Tensor:
    """The mean and the maximum over channels, as two channels."""
    return torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)


class ConvNormAct(nn.Sequential):
    """Convolution that keeps the size, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, dilation: int = 1, bias: bool = True
    ):
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=bias),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


def conv_twice(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each with norm and ReLU."""
    return nn.Sequential(ConvNormAct(inputs, middle), ConvNormAct(middle, outputs))


class AdditiveGate(nn.Module):
    """The skip, weighted by σ(ψ(ReLU(g(gate) + x(skip)))): additive attention."""

    def __init__(self, g: nn.Module, x: nn.Module, width: int):
        super().__init__()
        self.g, self.x = g, x  # to `width` channels
        self.psi = nn.Sequential(pointwise(width, 1), nn.BatchNorm2d(1))

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        return skip * self.psi(F.relu(self.g(gate) + self.x(skip))).sigmoid()


class DropPath(nn.Module):
    """Leaves the branch out for whole samples while training."""

    def __init__(self, rate: float = 0.0):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * keep / (1 - self.rate)


def drop_rates(highest: float, count: int) -> list[float]:
    """Stochastic depth that grows evenly from 0 to `highest` over `count` blocks."""
    return [highest * i / max(1, count - 1) for i in range(count)]


def init_linears(module: nn.Module) -> None:
    """Truncated normal of 0.02 in every linear layer inside, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def init_mlp(module: nn.Module) -> None:
    """The vision transformer's: Xavier in every linear layer inside, biases next to zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)


class MLP(nn.Sequential):
    """Linear, GELU, linear on the last dimension."""

    def __init__(self, width: int, inner: int, drop: float = 0.0):
        super().__init__(
            nn.Linear(width, inner),
            nn.GELU(),
            nn.Dropout(drop),
            nn.Linear(inner, width),
            nn.Dropout(drop),
        )


class SelfAttention(nn.Module):
    """Plain multi-head attention of tokens (B, N, C) to one another; one projection for q, k, v."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, d)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class MapNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def to_tokens(grid: Tensor) -> Tensor:
    """(B, C, h, w) as (B, h w, C)."""
    return grid.flatten(2).transpose(1, 2)


def to_grid(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """(B, h w, C) as (B, C, h, w)."""
    return tokens.transpose(1, 2).unflatten(2, tuple(size))


def init_light(module: nn.Module) -> None:
    """The initialisation of EGE-UNet, MALUNet and UltraLight VM-UNet, for every layer inside."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d):  # fan-out without the groups; the bias stays
            fan = layer.kernel_size[0] * layer.out_channels
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / fan))
        else:
            _init_layer(layer)


def init_transformer(module: nn.Module) -> None:
    """Truncated normal for linears, fan-out normal for convolutions, zero biases."""
    for layer in module.modules():
        _init_layer(layer)


def _init_layer(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.Conv2d):
        init_conv(layer)


def init_conv(layer: nn.Conv2d) -> None:
    """Fan-out normal, zero bias."""
    fan = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
    nn.init.normal_(layer.weight, 0, math.sqrt(2 / fan))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
