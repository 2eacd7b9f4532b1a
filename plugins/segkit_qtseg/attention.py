"""The decoder's primitives: attention, channel and spatial gates, positions, LN2d."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.formulas import as_written
from segkit.nn.precision import at_least_float32, float32_island


def tokens_of(x: Tensor) -> Tensor:
    """A map (B,C,H,W) as tokens (B,N,C); a view when the map is channels-last."""
    return x.flatten(2).transpose(1, 2)


def map_of(tokens: Tensor, like: Tensor) -> Tensor:
    """Tokens (B,N,C) as a map (B,C,H,W) of the size of `like`, in channels-last memory."""
    return tokens.transpose(1, 2).unflatten(2, (like.shape[-2], like.shape[-1]))


class Attention(nn.Module):
    """Multi-head attention of inner width `dim / ratio`."""

    def __init__(self, dim: int, heads: int, ratio: int = 2):
        super().__init__()
        inner = dim // ratio
        self.heads = heads
        self.q = nn.Linear(dim, inner)
        self.k = nn.Linear(dim, inner)
        self.v = nn.Linear(dim, inner)
        self.out = nn.Linear(inner, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = self.split(self.q(query)), self.split(self.k(key)), self.split(self.v(value))
        if as_written():
            weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
            mixed = weights @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """(B,N,d) -> (B,heads,N,d/heads)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class ChannelAttention(nn.Module):
    """CAB: z + γ W z with W (C,C) from the channels' inner products.

    `faithful` is the released code: W = softmax(-A), so the least similar channels are attended
    to, and γ starts at 0. `paper` is what the text says: softmax(A), without a gate.
    """

    def __init__(self, kind: Literal["faithful", "paper"] = "faithful"):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1)) if kind == "faithful" else None

    def forward(self, z: Tensor) -> Tensor:
        channels = z.flatten(2)  # (B,C,N)
        mixed = self.weights(channels.transpose(1, 2)).to(z.dtype) @ channels
        mixed = mixed if self.gamma is None else self.gamma * mixed
        return z + mixed.view_as(z)

    def weights(self, tokens: Tensor) -> Tensor:
        """W (B,C,C) of tokens (B,N,C); the sums over N overflow half precision, so never in it."""
        with float32_island(tokens):
            x = at_least_float32(tokens)
            affinity = x.transpose(1, 2) @ x
            return (affinity if self.gamma is None else -affinity).softmax(dim=-1)

    def matrix(self, tokens: Tensor) -> Tensor:
        """I + γ W: what the whole block does to the channels of a position."""
        weights = self.weights(tokens)
        eye = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
        return eye + (weights if self.gamma is None else self.gamma * weights)


class SpatialAttention(nn.Module):
    """SAM: z + g z, g a sigmoid map from the channels' mean and maximum."""

    def __init__(self, kernel: int = 7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return z * self.gate(z) + z

    def gate(self, z: Tensor) -> Tensor:
        """g (B,1,H,W)."""
        summary = torch.cat([z.mean(1, keepdim=True), z.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(summary))

    def gate_of_tokens(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """The gate of a map that is at hand as tokens (B,N,C): g (B,1,N)."""
        summary = torch.stack([tokens.mean(2), tokens.amax(2)], dim=1)  # (B,2,N)
        return torch.sigmoid(self.conv(summary.unflatten(2, size))).flatten(2)


class Position(nn.Module):
    """Random Fourier features of a grid; the frequencies are drawn once and saved, not trained."""

    frequencies: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(2, dim // 2))
        self._kept: dict[tuple[object, ...], Tensor] = {}

    def forward(self, size: tuple[int, int]) -> Tensor:
        """Position tokens (N,C), at least float32; kept per size and state of the buffer."""
        if as_written() or torch.compiler.is_compiling():
            return self.compute(size)
        g = self.frequencies
        key = (size, g.device, g.dtype, g.data_ptr(), g._version)
        if key not in self._kept:
            with torch.inference_mode(False):
                self._kept = {**dict(list(self._kept.items())[-3:]), key: self.compute(size)}
        return self._kept[key]

    @torch.no_grad()
    def compute(self, size: tuple[int, int]) -> Tensor:
        """sin and cos of 2π (x, y) · G at the cell centres, x and y in [-1, 1]."""
        g = at_least_float32(self.frequencies)
        y, x = (2 * (torch.arange(n, dtype=g.dtype, device=g.device) + 0.5) / n - 1 for n in size)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H,W,2), x first
        with float32_island(g):
            angle = 2 * math.pi * (grid.flatten(0, 1) @ g)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of a map (B,C,H,W)."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
