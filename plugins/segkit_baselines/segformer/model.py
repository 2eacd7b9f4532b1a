"""SegFormer-B0 and B1 (Xie et al., NeurIPS 2021), from scratch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import (
    DropPath,
    depthwise,
    drop_rates,
    init_transformer,
    pointwise,
    resize,
)
from segkit_baselines.segformer import SegFormerConfig

HEADS, REDUCTION, BLOCKS = (1, 2, 5, 8), (8, 4, 2, 1), 2


class Attention(nn.Module):
    """Self-attention whose keys and values come from a grid reduced r-fold."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.reduce: nn.Module | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, stride=reduction)
            self.norm = nn.LayerNorm(width)  # eps 1e-5, unlike the blocks' norms

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        source = tokens
        if self.reduce is not None:
            fewer = self.reduce(tokens.transpose(1, 2).unflatten(2, grid))
            source = self.norm(fewer.flatten(2).transpose(1, 2))
        k, v = self.kv(source).chunk(2, dim=-1)
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (self.q(tokens), k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, d)
        return self.out(mixed.transpose(1, 2).flatten(2))


class MixFFN(nn.Module):
    """A fourfold MLP with a depthwise convolution inside, which stands for positions."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.dw = nn.Linear(width, 4 * width), depthwise(4 * width, 3)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        wide = self.dw(self.fc1(tokens).transpose(1, 2).unflatten(2, grid))
        return self.fc2(F.gelu(wide).flatten(2).transpose(1, 2))


class Block(nn.Module):
    """Attention and MLP, each on a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, reduction: int, drop: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention, self.mlp = Attention(width, heads, reduction), MixFFN(width)
        self.drop = DropPath(drop)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        tokens = tokens + self.drop(self.attention(self.norm1(tokens), grid))
        return tokens + self.drop(self.mlp(self.norm2(tokens), grid))


class Stage(nn.Module):
    """Overlapping patches, two blocks, a norm: one map of the pyramid."""

    def __init__(self, inputs: int, width: int, number: int, drops: list[float]):
        super().__init__()
        kernel, stride, padding = (7, 4, 3) if number == 0 else (3, 2, 1)
        self.embed = nn.Conv2d(inputs, width, kernel, stride=stride, padding=padding)
        self.embed_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            Block(width, HEADS[number], REDUCTION[number], drop) for drop in drops
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        grid = (x.shape[2], x.shape[3])
        tokens = self.embed_norm(x.flatten(2).transpose(1, 2))
        for block in self.blocks:
            tokens = block(tokens, grid)
        return self.norm(tokens).transpose(1, 2).unflatten(2, grid)


class SegFormer(nn.Module):
    """Four stages at H/4 … H/32 and an all-linear head at H/4."""

    def __init__(self, config: SegFormerConfig):
        super().__init__()
        rates = drop_rates(config.drop_path, 4 * BLOCKS)
        inputs = (config.in_channels, *config.widths)
        self.stages = nn.ModuleList(
            Stage(a, b, i, rates[BLOCKS * i : BLOCKS * (i + 1)])
            for i, (a, b) in enumerate(zip(inputs, config.widths, strict=False))
        )
        init_transformer(self.stages)
        self.project = nn.ModuleList(nn.Linear(width, config.embed) for width in config.widths)
        self.fuse = nn.Sequential(
            pointwise(4 * config.embed, config.embed, bias=False), nn.BatchNorm2d(config.embed)
        )
        self.drop = nn.Dropout2d(0.1)
        self.head = pointwise(config.embed, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, pyramid = image, []
        for stage in self.stages:
            x = stage(x)
            pyramid.append(x)
        same = [
            resize(project(f.movedim(1, -1)).movedim(-1, 1), pyramid[0])
            for project, f in zip(self.project, pyramid, strict=True)
        ]
        fused = F.relu(self.fuse(torch.cat(same[::-1], 1)))
        logits = self.head(self.drop(fused))
        return F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)
