"""LGMSNet (Dong et al., ECAI 2025): CMUNeXt's skeleton, mixed kernels and sparse attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.cmunext.model import Fusion
from segkit_baselines.layers import ConvNormAct, depthwise, double, pointwise
from segkit_baselines.lgmsnet import LGMSNetConfig

KERNELS = (3, 5, 7, 9)
HEADS, HEAD_WIDTH = 4, 8


def conv_silu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution without bias, norm, SiLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.SiLU())


class MixedKernels(nn.Module):
    """A depthwise kernel for each quarter of the channels, then a residual bottleneck."""

    def __init__(self, channels: int):
        super().__init__()
        self.kernels = nn.ModuleList(depthwise(channels // 4, kernel) for kernel in KERNELS)
        self.norm = nn.GroupNorm(4, channels)
        self.shrink = conv_silu(channels, channels // 4, 1)
        self.widen = conv_silu(channels // 4, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        quarters = zip(self.kernels, x.chunk(4, 1), strict=True)
        y = torch.cat([kernel(part) for kernel, part in quarters], 1) + x
        return self.widen(self.shrink(F.gelu(self.norm(y)))) + x


class Attention(nn.Module):
    """Four heads of eight channels, whatever the width of the tokens."""

    def __init__(self, width: int):
        super().__init__()
        inner = HEADS * HEAD_WIDTH
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * inner, bias=False), nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(tokens)).unflatten(-1, (3, HEADS, HEAD_WIDTH)).unbind(2)
        mixed = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)))
        return self.out(mixed.transpose(1, 2).flatten(2))


class SparseTransformer(nn.Module):
    """Pixels of one parity of row and column see one another: four sequences of a quarter each."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.attention = Attention(width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, inner), nn.SiLU(), nn.Linear(inner, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        cells = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (B, C, h, 2, w, 2)
        tokens = cells.permute(0, 3, 5, 2, 4, 1).flatten(3, 4).flatten(0, 2)  # (4B, h w, C)
        tokens = tokens + self.attention(tokens)
        tokens = tokens + self.mlp(tokens)
        cells = tokens.unflatten(1, (height // 2, width // 2)).unflatten(0, (-1, 2, 2))
        return cells.permute(0, 5, 3, 1, 4, 2).flatten(4, 5).flatten(2, 3)


class SparseBlock(nn.Module):
    """Sparse attention on three quarters of the channels, a local branch on the last."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        last = width // 4
        self.split = [width - last, last]
        self.enter = nn.Sequential(conv_silu(inputs, width, 3), conv_silu(width, width, 1))
        self.transformer = SparseTransformer(width - last, 2 * width)
        self.local = nn.Sequential(
            depthwise(last, 3, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(),
            nn.Conv2d(last, last, 1, groups=last, bias=False),
            nn.BatchNorm2d(last),
        )
        self.leave = conv_silu(width, width, 1)
        self.join = conv_silu(width + inputs, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, last = self.enter(x).split(self.split, 1)
        mixed = torch.cat([self.transformer(first), last + self.local(last)], 1)
        return self.join(torch.cat([self.leave(mixed), x], 1))


class LGMSNet(nn.Module):
    """Three stages of mixed kernels, two of sparse attention; the decoder mirrors them."""

    def __init__(self, config: LGMSNetConfig):
        super().__init__()
        d1, d2, d3, d4, d5 = config.dims
        self.stem = ConvNormAct(config.in_channels, d1)
        self.encoder = nn.ModuleList(
            nn.Sequential(MixedKernels(a), conv_silu(a, b, 1))
            for a, b in ((d1, d1), (d1, d2), (d2, d3))
        )
        self.encoder.append(SparseBlock(d3, d4))
        self.encoder.append(SparseBlock(d4, d5))
        self.up = nn.ModuleList(
            ConvNormAct(a, b) for a, b in ((d5, d4), (d4, d3), (d3, d2), (d2, d1))
        )
        self.fuse = nn.ModuleList(
            [
                SparseBlock(2 * d4, d4),
                nn.Sequential(Fusion(d3), SparseBlock(d3, d3)),
                Fusion(d2),
                Fusion(d1),
            ]
        )
        self.head = pointwise(d1, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, kept = self.stem(image), []
        for number, stage in enumerate(self.encoder):
            x = stage(F.max_pool2d(x, 2) if number else x)
            kept.append(x)
        for up, fuse, skip in zip(self.up, self.fuse, kept[-2::-1], strict=True):
            x = fuse(torch.cat([skip, up(double(x, align_corners=False))], 1))
        return self.head(x)
