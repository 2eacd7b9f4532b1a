"""Cross-mixed attention (CMAM) of a map, and the external-memory bridge (EAB) of a skip."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.folding import convolve
from segkit.nn.formulas import as_written
from segkit.nn.precision import at_least_float32, float32_island
from segkit_eamnet.blocks import ConvBn


class Gates(nn.Module):
    """The two gated copies of a map: by position, and by channel."""

    def __init__(self, width: int):
        super().__init__()
        narrow = max(width // 8, 4)
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)
        self.mlp = nn.Sequential(
            nn.Conv2d(width, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, width, 1)
        )

    def by_position(self, x: Tensor) -> Tensor:
        """X * sigma(conv([max over channels | mean over channels]))."""
        return x * self.position_gate(x)

    def position_gate(self, x: Tensor) -> Tensor:
        """(B,1,h,w): how much of each position is let through."""
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.spatial(summary))

    def by_channel(self, x: Tensor) -> Tensor:
        """X * sigma(MLP(mean over positions) + MLP(max over positions))."""
        mean, most = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return x * torch.sigmoid(self.mlp(mean) + self.mlp(most))


class CMAM(nn.Module):
    """Position attention and channel attention whose queries meet the other stream's keys.

    `wiring`: cross (each query stream reads the other), parallel (each reads itself), or serial
    (channels first, then positions of the result). The weights have the same names in all three.
    """

    def __init__(
        self,
        width: int,
        wiring: Literal["cross", "parallel", "serial"] = "cross",
        key_grid: int = 8,
    ):
        super().__init__()
        inner = width // 2
        self.wiring, self.key_grid = wiring, key_grid
        self.gates = Gates(width)
        self.spatial_qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.channel_qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.temperature = nn.Parameter(torch.ones(()))
        self.out = ConvBn(inner, width, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.wiring == "serial":
            x = x + self.out(self.attend_channels(*self.channel_stream(x)))
            return F.relu(x + self.out(self.attend_positions(*self.spatial_stream(x))))
        (qs, ks, vs), (qc, kc, vc) = self.spatial_stream(x), self.channel_stream(x)
        if self.wiring == "cross":
            ks, vs, kc, vc = kc, vc, ks, vs
        mixed = self.attend_positions(qs, ks, vs) + self.attend_channels(qc, kc, vc)
        return F.relu(x + self.out(mixed))

    def spatial_stream(self, x: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value maps of the copy that is gated by position."""
        return convolve(self.spatial_qkv, self.gates.by_position(x)).chunk(3, dim=1)

    def channel_stream(self, x: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value maps of the copy that is gated by channel."""
        return convolve(self.channel_qkv, self.gates.by_channel(x)).chunk(3, dim=1)

    def attend_positions(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """SA: every position reads at most key_grid² pooled positions."""
        q, k, v = (m.flatten(2).transpose(1, 2) for m in (query, self.pool(key), self.pool(value)))
        if as_written():
            mixed = self.position_weights(q, k).to(v.dtype) @ v  # (B,N,M)(B,M,d)
        else:
            mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return mixed.transpose(1, 2).unflatten(2, (query.shape[-2], query.shape[-1]))

    def position_weights(self, query: Tensor, key: Tensor) -> Tensor:
        """(B,N,M); each row sums to 1."""
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        return at_least_float32(scores).softmax(dim=-1)

    def pool(self, x: Tensor) -> Tensor:
        """P8: the mean over the cells of a small grid."""
        if torch.compiler.is_exporting():
            return pool_by_matrices(x, self.key_grid)
        grid = (min(x.shape[-2], self.key_grid), min(x.shape[-1], self.key_grid))
        return F.adaptive_avg_pool2d(x, grid)

    def attend_channels(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """CA: every query channel reads the key channels that look like it."""
        weights = self.channel_weights(query.flatten(2), key.flatten(2))
        return (weights.to(value.dtype) @ value.flatten(2)).view_as(value)

    def channel_weights(self, query: Tensor, key: Tensor) -> Tensor:
        """(B,d,d) from rows of unit length, so that logits do not grow with the map."""
        with float32_island(query):
            q, k = (F.normalize(at_least_float32(m), dim=-1, eps=1e-12) for m in (query, key))
            return (at_least_float32(self.temperature) * (q @ k.transpose(1, 2))).softmax(dim=-1)


def pool_by_matrices(x: Tensor, grid: int) -> Tensor:
    """Adaptive average pooling to at most `grid` cells a side, for graphs of dynamic size."""
    rows, columns = (_cells(x, x.shape[side], grid) for side in (-2, -1))
    return rows @ x @ columns.t()


def _cells(like: Tensor, length: int, grid: int) -> Tensor:
    """(cells, length): cell i averages from floor(i·length/cells) to ceil((i+1)·length/cells)."""
    cells = torch.sym_min(length, grid)
    i = torch.arange(cells, device=like.device)[:, None]
    position = torch.arange(length, device=like.device)
    first, end = i * length // cells, ((i + 1) * length + cells - 1) // cells
    inside = ((position >= first) & (position < end)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


class EAB(nn.Module):
    """A skip that is re-read from learned memories; only its strongest channels are added."""

    def __init__(
        self,
        width: int,
        slots: int = 64,
        keep_ratio: float = 0.5,
        select: Literal["ratio", "k"] = "ratio",
    ):
        super().__init__()
        self.query = nn.Conv2d(width, width, 1)
        self.keys = nn.Conv2d(width, slots, 1, bias=False)  # Mk
        self.values = nn.Conv2d(slots, width, 1, bias=False)  # Mv
        self.out = ConvBn(width, width, 1, act=False)
        self.kept = min(slots, width) if select == "k" else math.ceil(keep_ratio * width)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.memory_weights(x).to(x.dtype).unflatten(1, (x.shape[-2], x.shape[-1]))
        read = convolve(self.values, weights.permute(0, 3, 1, 2))
        return F.relu(x + self.out(self.strongest(read) * read))

    def memory_weights(self, x: Tensor) -> Tensor:
        """A (B,N,k): softmax over the positions, then shares over the slots."""
        scores = convolve(self.keys, convolve(self.query, x)).flatten(2).transpose(1, 2)
        attention = at_least_float32(scores).softmax(dim=1)
        return attention / (attention.sum(dim=2, keepdim=True) + 1e-9)

    @torch.no_grad()
    def strongest(self, read: Tensor) -> Tensor:
        """1 for the channels with the largest mean size, else 0: (B,C,1,1), a constant."""
        score = at_least_float32(read).abs().mean((2, 3))
        chosen = score.topk(self.kept, dim=1).indices
        mask = torch.zeros_like(score).scatter_(1, chosen, 1.0)
        return mask[:, :, None, None].to(read.dtype)
