"""TransUNet (Chen et al., 2021): hybrid R50-ViT-B/16 and a cascaded decoder with three skips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import MLP, ConvNormAct, double, init_mlp, to_grid, to_tokens
from segkit_baselines.transunet import TransUNetConfig

WIDTH, HEADS, LAYERS = 768, 12, 12
BLOCKS = ((64, 256, 3, 1), (256, 512, 4, 2), (512, 1024, 9, 2))  # in, out, units, stride
LEVELS = ((512, 512, 256), (256, 256, 128), (128, 64, 64), (64, 0, 16))  # below, skip, out


class StandardConv(nn.Conv2d):
    """A convolution whose weight is standardised per filter at every call."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) / torch.sqrt(variance + 1e-5)
        return F.conv2d(x, weight, None, self.stride, self.padding)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> StandardConv:
    return StandardConv(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels, eps=1e-6)


class ChannelNorm(nn.GroupNorm):
    """One group per channel; torch refuses a channel of one pixel, whose norm is the bias."""

    def __init__(self, channels: int):
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 beside a shortcut; the stride is in the 3×3."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        mid = outputs // 4
        self.conv1, self.gn1 = _conv(inputs, mid, 1), _norm(mid)
        self.conv2, self.gn2 = _conv(mid, mid, 3, stride), _norm(mid)
        self.conv3, self.gn3 = _conv(mid, outputs, 1), _norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), ChannelNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.gn1(self.conv1(x)))
        y = F.relu(self.gn2(self.conv2(y)))
        return F.relu(self.shortcut(x) + self.gn3(self.conv3(y)))


class GroupNormResNet(nn.Module):
    """Three stages of a ResNet-50: skips at H/2, H/4 and H/8, and the map at H/16."""

    def __init__(self, inputs: int):
        super().__init__()
        self.root = nn.Sequential(_conv(inputs, 64, 7, 2), _norm(64), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                Bottleneck(before, after, stride),
                *(Bottleneck(after, after, 1) for _ in range(units - 1)),
            )
            for before, after, units, stride in BLOCKS
        )

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        root = self.root(image)
        quarter = self.blocks[0](F.max_pool2d(root, 3, 2))  # H/4 - 1: the pooling has no padding
        eighth = self.blocks[1](quarter)
        return self.blocks[2](eighth), [eighth, F.pad(quarter, (0, 1, 0, 1)), root]


class Attention(nn.Module):
    """Multi-head attention with a projection each for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (
            layer(tokens).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, d)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = (nn.LayerNorm(WIDTH, eps=1e-6) for _ in range(2))
        self.attn, self.ffn = Attention(), MLP(WIDTH, 4 * WIDTH, drop=0.1)
        init_mlp(self.ffn)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.attention_norm(tokens))
        return tokens + self.ffn(self.ffn_norm(tokens))


class Level(nn.Module):
    """Twice the grid, joined with a skip, two convolutions."""

    def __init__(self, below: int, skip: int, outputs: int):
        super().__init__()
        self.conv1 = ConvNormAct(below + skip, outputs, bias=False)
        self.conv2 = ConvNormAct(outputs, outputs, bias=False)

    def forward(self, x: Tensor, *skip: Tensor) -> Tensor:
        return self.conv2(self.conv1(torch.cat([double(x), *skip], 1)))


class TransUNet(nn.Module):
    """ResNet to H/16, twelve transformer layers there, four decoder levels."""

    def __init__(self, config: TransUNetConfig):
        super().__init__()
        self.grid = (config.grid[0], config.grid[1])
        self.encoder = GroupNormResNet(config.in_channels)
        self.embed = nn.Conv2d(1024, WIDTH, 1)
        self.position = nn.Parameter(torch.zeros(1, config.grid[0] * config.grid[1], WIDTH))
        self.drop = nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.first = ConvNormAct(WIDTH, 512, bias=False)
        self.levels = nn.ModuleList(Level(*widths) for widths in LEVELS)
        self.head = nn.Conv2d(16, config.num_classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        x, skips = self.encoder(image)
        size = (x.shape[2], x.shape[3])
        tokens = self.drop(to_tokens(self.embed(x)) + self.positions(size))
        for layer in self.layers:
            tokens = layer(tokens)
        x = self.first(to_grid(self.norm(tokens), size))
        for level, skip in zip(self.levels, skips, strict=False):
            x = level(x, skip)
        return self.head(self.levels[-1](x))

    def positions(self, size: tuple[int, int]) -> Tensor:
        """The table at this grid."""
        if not torch.compiler.is_exporting() and size == self.grid:
            return self.position
        table = to_grid(self.position, self.grid)
        return to_tokens(F.interpolate(table, size=size, mode="bilinear", align_corners=True))
