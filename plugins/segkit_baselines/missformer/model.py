"""MISSFormer (Huang et al., 2023): efficient attention, a transformer bridge over four scales."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import depthwise, to_grid, to_tokens
from segkit_baselines.missformer import MISSFormerConfig
from segkit_baselines.vmunet.model import Expand

WIDTHS, HEADS, REDUCTION, BLOCKS = (64, 128, 320, 512), (1, 2, 5, 8), (8, 4, 2, 1), 2
TOKEN, BRIDGE_LAYERS = 64, 4
Size = tuple[int, int]


class MixFFN(nn.Module):
    """A fourfold MLP; a depthwise convolution beside a shortcut and a norm inside."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.dw = nn.Linear(width, 4 * width), depthwise(4 * width, 3)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(4 * width) for _ in range(3))
        self.fc2 = nn.Linear(4 * width, width)
        _freeze(self.norm2, self.norm3)  # never used, as released

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        wide = self.fc1(tokens)
        mixed = to_tokens(self.dw(to_grid(wide, size)))
        return self.fc2(F.gelu(self.norm1(mixed + wide)))


class Attention(nn.Module):
    """Self-attention whose keys and values come from a grid reduced r-fold."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.reduce: nn.Module | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, stride=reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        source = tokens
        if self.reduce is not None:
            source = self.norm(to_tokens(self.reduce(to_grid(tokens, size))))
        return self.proj(_attend(self.q(tokens), self.kv(source), self.heads))


def _attend(queries: Tensor, keys_values: Tensor, heads: int) -> Tensor:
    """Attention of (B, N, C) to (B, M, 2 C), keys first."""
    q, k, v = (
        x.unflatten(2, (heads, -1)).transpose(1, 2)
        for x in (queries, *keys_values.chunk(2, dim=-1))
    )
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Attention and MLP, each on a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.mlp = Attention(width, heads, reduction), MixFFN(width)

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens), size)
        return tokens + self.mlp(self.norm2(tokens), size)


def _blocks(scale: int) -> nn.ModuleList:
    return nn.ModuleList(
        Block(WIDTHS[scale], HEADS[scale], REDUCTION[scale]) for _ in range(BLOCKS)
    )


class Stage(nn.Module):
    """Overlapping patches, two blocks, a norm: one map of the pyramid."""

    def __init__(self, inputs: int, scale: int):
        super().__init__()
        kernel, stride, padding = (7, 4, 3) if scale == 0 else (3, 2, 1)
        width = WIDTHS[scale]
        self.embed = nn.Conv2d(inputs, width, kernel, stride=stride, padding=padding)
        self.embed_norm = nn.LayerNorm(width)
        self.blocks = _blocks(scale)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        size = (x.shape[2], x.shape[3])
        tokens = self.embed_norm(to_tokens(x))
        for block in self.blocks:
            tokens = block(tokens, size)
        return to_grid(self.norm(tokens), size)


class BridgeAttention(nn.Module):
    """All tokens of all scales attend to those of the three fine scales reduced, and the coarse."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(
            nn.Conv2d(width, width, r, stride=r)
            for width, r in zip(WIDTHS[:3], REDUCTION[:3], strict=True)
        )
        self.norm = nn.LayerNorm(TOKEN)
        self.q, self.kv = nn.Linear(TOKEN, TOKEN), nn.Linear(TOKEN, 2 * TOKEN)
        self.proj = nn.Linear(TOKEN, TOKEN)

    def forward(self, tokens: Tensor, sizes: list[Size]) -> Tensor:
        *fine, coarse = _split(tokens, sizes)
        # (B, g·64, h, w) read as 64 rows: the memory's order, not the pixels'
        fewer = [
            reduce(_as_map(part, size)).flatten(1).unflatten(1, (TOKEN, -1)).transpose(1, 2)
            for reduce, part, size in zip(self.reduce, fine, sizes, strict=False)
        ]
        source = self.norm(torch.cat([*fewer, coarse], 1))
        return self.proj(_attend(self.q(tokens), self.kv(source), 1))


class BridgeLayer(nn.Module):
    """Attention over all scales, then an MLP for each."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(TOKEN), nn.LayerNorm(TOKEN)
        self.attention = BridgeAttention()
        self.mlps = nn.ModuleList(MixFFN(width) for width in WIDTHS)

    def forward(self, tokens: Tensor, sizes: list[Size]) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens), sizes)
        parts = _split(self.norm2(tokens), sizes)
        mixed = [
            mlp(_wide(part, width), size).flatten(1).unflatten(1, (-1, TOKEN))
            for mlp, part, width, size in zip(self.mlps, parts, WIDTHS, sizes, strict=True)
        ]
        return tokens + torch.cat(mixed, 1)


def _split(tokens: Tensor, sizes: list[Size]) -> list[Tensor]:
    """The tokens of each scale: a pixel of width C has C/64 of them."""
    counts = [h * w * width // TOKEN for (h, w), width in zip(sizes, WIDTHS, strict=True)]
    return list(tokens.split(counts, 1))


def _wide(tokens: Tensor, width: int) -> Tensor:
    """Tokens of 64 as pixels of `width`, (B, h w, width)."""
    return tokens.flatten(1).unflatten(1, (-1, width))


def _as_map(tokens: Tensor, size: Size) -> Tensor:
    """Tokens of 64 as the map (B, C, h, w) that they came from."""
    return tokens.flatten(1).unflatten(1, (*size, -1)).permute(0, 3, 1, 2)


class Level(nn.Module):
    """Joined with a map of the bridge, mixed, expanded."""

    def __init__(self, scale: int, below: int, factor: int):
        super().__init__()
        width = WIDTHS[scale]
        self.join = nn.Linear(width + below, width)
        self.blocks = _blocks(scale)
        self.expand = Expand(width, factor, width if factor == 4 else width // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        size = (skip.shape[2], skip.shape[3])
        tokens = self.join(torch.cat([x.flatten(1, 2), to_tokens(skip)], -1))
        for block in self.blocks:
            tokens = block(tokens, size)
        return self.expand(tokens.unflatten(1, size))


class Deepest(nn.Module):
    """The level below needs no skip: only its expansion runs."""

    def __init__(self) -> None:
        super().__init__()
        self.join = nn.Linear(2 * WIDTHS[3], WIDTHS[3])
        self.blocks = _blocks(3)
        self.expand = Expand(WIDTHS[3], 2, WIDTHS[3] // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(x.permute(0, 2, 3, 1))  # (B, 2h, 2w, C/2)


class MISSFormer(nn.Module):
    """Four stages down, a bridge over all of them, four levels up."""

    def __init__(self, config: MISSFormerConfig):
        super().__init__()
        inputs = (config.in_channels, *WIDTHS[:3])
        self.encoder = nn.ModuleList(Stage(width, scale) for scale, width in enumerate(inputs))
        self.bridge = nn.ModuleList(BridgeLayer() for _ in range(BRIDGE_LAYERS))
        self.deepest = Deepest()
        self.decoder = nn.ModuleList([Level(2, 256, 2), Level(1, 160, 2), Level(0, 64, 4)])
        self.head = nn.Conv2d(WIDTHS[0], config.num_classes, 1)
        for part in (self.deepest, self.decoder, self.head):
            _init(part)
        _freeze(self.deepest.join, self.deepest.blocks)  # never run, as released

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, pyramid = image, []
        for stage in self.encoder:
            x = stage(x)
            pyramid.append(x)
        maps = self.mix(pyramid)
        x = self.deepest(maps[3])
        for level, skip in zip(self.decoder, maps[2::-1], strict=True):
            x = level(x, skip)
        return self.head(x.permute(0, 3, 1, 2))

    def mix(self, pyramid: list[Tensor]) -> list[Tensor]:
        """The four maps after the bridge."""
        sizes = [(x.shape[2], x.shape[3]) for x in pyramid]
        cut = [to_tokens(x).flatten(1).unflatten(1, (-1, TOKEN)) for x in pyramid]
        tokens = torch.cat(cut, 1)
        for layer in self.bridge:
            tokens = layer(tokens, sizes)
        parts = _split(tokens, sizes)
        return [_as_map(part, size) for part, size in zip(parts, sizes, strict=True)]


def _init(part: nn.Module) -> None:
    for layer in part.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _freeze(*parts: nn.Module) -> None:
    for part in parts:
        part.requires_grad_(False)
