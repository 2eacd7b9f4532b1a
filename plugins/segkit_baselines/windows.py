"""Attention within shifted windows (Swin, Liu et al., ICCV 2021) on (B, h, w, C), for two networks.

The grid is a multiple of the window. Where one window spans a side of the grid nothing is shifted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit_baselines.layers import DropPath

BLOCKED = -100.0  # added to the scores of pixels that are neighbours only by the roll


class WindowAttention(nn.Module):
    """Self-attention within windows of m×m pixels, with a learned bias per offset and head."""

    def __init__(self, width: int, heads: int, window: int, shifted: bool):
        super().__init__()
        self.heads, self.window, self.shifted = heads, window, shifted
        self.table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        shift = self._shift(height, width)
        moves = torch.compiler.is_exporting() or shift > 0  # a graph of any size moves by its size
        x = _roll(x, shift, shift) if moves else x
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # (B, windows, heads, m², d)
            for part in self.qkv(_cut(x, self.window)).chunk(3, -1)
        )
        bias = self._bias()
        if moves:
            bias = bias + _mask(height, width, self.window, shift, x)[:, None]
        # written out: exporters know the fused form with one dimension of heads only
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias
        mixed = scores.softmax(-1) @ v
        mixed = self.proj(mixed.transpose(-2, -3).flatten(-2))
        y = _join(mixed, height // self.window, width // self.window, self.window)
        return _roll(y, height - shift, width - shift) if moves else y

    def _shift(self, height: int, width: int) -> int:
        if not self.shifted:
            return 0
        rows, columns = height // self.window, width // self.window
        # 1 - 1 // n: whether there are several; exported graphs know no comparison of sizes
        return (1 - 1 // rows) * (1 - 1 // columns) * (self.window // 2)

    def _bias(self) -> Tensor:
        """The bias of every pair of pixels in a window, (heads, m², m²)."""
        m = self.window
        side = torch.arange(m, device=self.table.device)
        apart = side[:, None] - side + m - 1  # query minus key
        index = apart[:, None, :, None] * (2 * m - 1) + apart[None, :, None, :]
        return self.table[index.reshape(-1)].view(m * m, m * m, -1).permute(2, 0, 1)


def _roll(x: Tensor, rows: int, columns: int) -> Tensor:
    """Move up and left around the edge; sizes and steps may be symbols of an exported graph."""
    for dimension, steps in ((1, rows), (2, columns)):
        side = x.shape[dimension]
        place = torch.arange(side, device=x.device) + steps
        # no remainder: ONNX has none by a size of the graph
        x = x.index_select(dimension, torch.where(place >= side, place - side, place))
    return x


def _cut(x: Tensor, m: int) -> Tensor:
    """(B, h, w, C) as windows (B, count, m², C)."""
    x = x.unflatten(2, (-1, m)).unflatten(1, (-1, m))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _join(windows: Tensor, rows: int, columns: int, m: int) -> Tensor:
    """The way back."""
    x = windows.unflatten(1, (rows, columns)).unflatten(3, (m, m))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _mask(height: int, width: int, m: int, shift: int, like: Tensor) -> Tensor:
    """0 within a region of the rolled grid and BLOCKED between regions, (count, m², m²)."""
    row, column = (torch.arange(side, device=like.device) for side in (height, width))
    regions = [
        (at >= side - m).to(like.dtype) + (at >= side - shift)
        for at, side in ((row, height), (column, width))
    ]
    label = 3 * regions[0][:, None] + regions[1]
    label = _cut(label[None, :, :, None], m)[0, :, :, 0]
    return (label[:, :, None] != label[:, None, :]).to(like.dtype) * BLOCKED


class SwinBlock(nn.Module):
    """Window attention and an MLP, each on a norm and beside a shortcut."""

    def __init__(
        self, width: int, heads: int, window: int, shifted: bool, drop: float, mlp: nn.Module
    ):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window, shifted)
        self.mlp, self.drop = mlp, DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attn(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))
