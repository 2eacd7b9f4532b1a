"""Mobile U-ViT (Tang et al., ACM MM 2025): large kernels, local-global-local attention."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.cmunext.model import GeluNorm
from segkit_baselines.layers import (
    MLP,
    ConvNormAct,
    DropPath,
    conv_twice,
    depthwise,
    double,
    pointwise,
    to_grid,
    to_tokens,
)
from segkit_baselines.mobileuvit import MobileUViTConfig

DROP_PATH = 0.1  # in the local-global-local blocks alone


class Block(nn.Module):
    """A large depthwise kernel and a fourfold bottleneck turned inside out, both residual."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.look = GeluNorm(depthwise(channels, kernel), channels)
        self.mix = nn.Sequential(
            GeluNorm(pointwise(channels, 4 * channels), 4 * channels),
            GeluNorm(pointwise(4 * channels, channels), channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.look(x)
        return y + self.mix(y)


class LocalAttention(nn.Module):
    """Each step strengthens or weakens x by half at most."""

    def __init__(self, width: int):
        super().__init__()
        self.position = depthwise(width, 9)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.attn = nn.Sequential(
            pointwise(width, width), depthwise(width, 9), pointwise(width, width)
        )
        self.mlp = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, padding=1, groups=width),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 3, padding=1, groups=width),
        )
        self.drop = DropPath(DROP_PATH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + x * (self.position(x).sigmoid() - 0.5)
        x = x + x * (self.drop(self.attn(self.norm1(x))).sigmoid() - 0.5)
        return x + x * (self.drop(self.mlp(self.norm2(x))).sigmoid() - 0.5)


class Attention(nn.Module):
    """All pixels, or every other one of each axis, attend to one another."""

    def __init__(self, width: int, heads: int, sparse: bool):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.spread = self.norm = None
        if sparse:
            self.spread = nn.ConvTranspose2d(width, width, 2, stride=2, groups=width)
            self.norm = nn.LayerNorm(width)

    def forward(self, grid: Tensor) -> Tensor:
        """(B, h, w, C) to (B, h w, C)."""
        seen = grid[:, ::2, ::2] if self.spread is not None else grid
        q, k, v = self.qkv(seen.flatten(1, 2)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        mixed = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)))
        mixed = mixed.transpose(1, 2).flatten(2)  # (B, N, C)
        if self.spread is not None and self.norm is not None:
            mixed = self.norm(to_tokens(self.spread(to_grid(mixed, seen.shape[1:3]))))
        return self.proj(mixed)


class GlobalAttention(nn.Module):
    """A convolutional position code, attention, MLP."""

    def __init__(self, width: int, heads: int, sparse: bool = False):
        super().__init__()
        self.position = depthwise(width, 3)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads, sparse), MLP(width, 4 * width)
        self.drop = DropPath(DROP_PATH if sparse else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        grid = (x + self.position(x)).permute(0, 2, 3, 1)  # (B, h, w, C)
        tokens = grid.flatten(1, 2) + self.drop(self.attn(self.norm1(grid)))
        tokens = tokens + self.drop(self.mlp(self.norm2(tokens)))
        return to_grid(tokens, size)


class MobileUViT(nn.Module):
    """Three convolutional stages, attention at H/8, a decoder whose skips come pooled."""

    def __init__(self, config: MobileUViTConfig):
        super().__init__()
        d1, d2, d3, d4 = config.dims
        self.stem = ConvNormAct(config.in_channels, d1)
        plan = zip(pairwise((d1, d1, d2, d3)), config.depths, config.kernels, strict=True)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(Block(a, kernel) for _ in range(depth)), ConvNormAct(a, b))
            for (a, b), depth, kernel in plan
        )
        self.local = nn.Sequential(
            *(
                nn.Sequential(LocalAttention(d3), GlobalAttention(d3, config.heads, sparse=True))
                for _ in range(config.local_blocks)
            )
        )
        self.widen, self.narrow = conv_twice(d3, d4, d4), conv_twice(d4, d3, d3)
        self.transformer = nn.Sequential(
            *(GlobalAttention(d4, config.heads) for _ in range(config.global_blocks))
        )
        self.fuse = nn.ModuleList(conv_twice(2 * width, width, width) for width in (d3, d2, d1))
        self.up = nn.ModuleList(ConvNormAct(a, b) for a, b in pairwise((d3, d2, d1, d1)))
        self.head = pointwise(d1, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        x, pooled = self.stem(image), []
        for stage in self.encoder:
            x = F.max_pool2d(stage(x), 2)
            pooled.append(x)
        x = self.narrow(self.transformer(self.widen(self.local(x))))
        for fuse, up, skip in zip(self.fuse, self.up, pooled[::-1], strict=True):
            x = up(double(fuse(torch.cat([x, skip], 1))))
        return self.head(x)
