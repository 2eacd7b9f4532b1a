"""FSCA-Net (Tan et al., 2024): attention over channels and places in every skip of a U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.fsca_net import FSCANetConfig
from segkit_baselines.layers import (
    MLP,
    ConvNormAct,
    conv_twice,
    init_mlp,
    resize,
    to_grid,
    to_tokens,
)

WIDTHS, PATCHES, PROJECTIONS = (64, 128, 256, 512), (16, 8, 4, 2), (64, 64, 64, 32)
HEADS, LAYERS = 4, 4
Size = tuple[int, int]


def _resample(rows: Tensor, table: Size, size: Size) -> Tensor:
    """Rows (R, h w) that belong to the places of one grid, at another."""
    grid = rows.unflatten(1, table)[None]
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)[0].flatten(1)


class Attention(nn.Module):
    """Channels attend to channels, and places to a few projected places; half the width each."""

    def __init__(self, width: int, projection: int, grid: Size):
        super().__init__()
        self.grid = grid
        self.qkvv = nn.Linear(width, 4 * width, bias=False)
        self.project = nn.Linear(grid[0] * grid[1], projection)
        self.tau1 = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.tau2 = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.spatial, self.channel = (nn.Linear(width, width // 2) for _ in range(2))
        self.drop = nn.Dropout(0.1)

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        parts = self.qkvv(tokens).unflatten(2, (4, HEADS, -1)).permute(2, 0, 3, 4, 1)
        q, k, v_channel, v_spatial = parts.unbind(0)  # each (B, heads, d, N)
        weight = self.projection(size)
        k_few, v_few = (F.linear(x, weight, self.project.bias) for x in (k, v_spatial))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        scores = self.drop((q @ k.transpose(-2, -1) * self.tau1).softmax(-1))  # (d, d)
        channel = (scores @ v_channel).permute(0, 3, 1, 2).flatten(2)
        scores = self.drop((q.transpose(-2, -1) @ k_few * self.tau2).softmax(-1))  # (N, P)
        spatial = scores @ v_few.transpose(-2, -1)  # (B, heads, N, d)
        # stored by d, head, place and read as tokens: the memory's order, as released
        spatial = spatial.permute(0, 3, 1, 2).flatten(1).unflatten(1, (-1, tokens.shape[2]))
        return torch.cat([self.spatial(spatial), self.channel(channel)], -1)

    def projection(self, size: Size) -> Tensor:
        """The weights of the places, (P, N); on another grid their sum stays."""
        if not torch.compiler.is_exporting() and size == self.grid:
            return self.project.weight
        share = (self.grid[0] * self.grid[1]) / (size[0] * size[1])
        return _resample(self.project.weight, self.grid, size) * share


class Layer(nn.Module):
    """Attention and MLP, each on a norm and beside a shortcut, for each scale apart."""

    def __init__(self, grid: Size):
        super().__init__()
        self.norms1, self.norms2 = (
            nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for width in WIDTHS) for _ in range(2)
        )
        self.attention = nn.ModuleList(
            Attention(width, few, grid) for width, few in zip(WIDTHS, PROJECTIONS, strict=True)
        )
        self.mlps = nn.ModuleList(MLP(width, 4 * width) for width in WIDTHS)
        self.unused = nn.LayerNorm(sum(WIDTHS), eps=1e-6).requires_grad_(False)  # as released
        init_mlp(self.mlps)

    def forward(self, tokens: Tensor, scale: int, size: Size) -> Tensor:
        tokens = tokens + self.attention[scale](self.norms1[scale](tokens), size)
        return tokens + self.mlps[scale](self.norms2[scale](tokens))


class Embedding(nn.Module):
    """Patches as tokens, with positions."""

    def __init__(self, width: int, patch: int, grid: Size):
        super().__init__()
        self.grid = grid
        self.conv = nn.Conv2d(width, width, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, grid[0] * grid[1], width))
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        grid = self.conv(x)
        return self.drop(to_tokens(grid) + self.positions((grid.shape[2], grid.shape[3])))

    def positions(self, size: Size) -> Tensor:
        """The table at this grid."""
        if not torch.compiler.is_exporting() and size == self.grid:
            return self.position
        return _resample(self.position[0].t(), self.grid, size).t()[None]


class SkipTransformer(nn.Module):
    """The four skips through four layers at H/16, added to themselves."""

    def __init__(self, grid: Size):
        super().__init__()
        self.embeddings = nn.ModuleList(
            Embedding(width, patch, grid) for width, patch in zip(WIDTHS, PATCHES, strict=True)
        )
        self.layers = nn.ModuleList(Layer(grid) for _ in range(LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for width in WIDTHS)
        self.rebuild = nn.ModuleList(ConvNormAct(width, width, 1) for width in WIDTHS)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        return [self._mix(x, scale) for scale, x in enumerate(skips)]

    def _mix(self, x: Tensor, scale: int) -> Tensor:
        patch = PATCHES[scale]
        size = (x.shape[2] // patch, x.shape[3] // patch)
        tokens = self.embeddings[scale](x)
        for layer in self.layers:
            tokens = layer(tokens, scale, size)
        grid = to_grid(self.norms[scale](tokens), size)
        return self.rebuild[scale](F.interpolate(grid, scale_factor=float(patch))) + x


class Gate(nn.Module):
    """The skip weighted by channel, from the means of skip and gate."""

    def __init__(self, kernel: int):
        super().__init__()
        self.of_skip, self.of_gate = (
            nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False) for _ in range(2)
        )

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        means = (x.mean((2, 3))[:, None] for x in (skip, gate))
        weight = (self.of_skip(next(means)) + self.of_gate(next(means))) / 2
        return F.relu(skip * weight.sigmoid()[:, 0, :, None, None])


class Up(nn.Module):
    """The gated skip joined with what comes from below, two convolutions."""

    def __init__(self, kernel: int, inputs: int, mid: int, outputs: int):
        super().__init__()
        self.gate, self.conv = Gate(kernel), conv_twice(inputs, mid, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([self.gate(x, skip), x], 1))


class FSCANet(nn.Module):
    """Encoder to H/16, skips through the transformer, gated decoder."""

    def __init__(self, config: FSCANetConfig):
        super().__init__()
        self.first = ConvNormAct(config.in_channels, 64)
        self.encoder = nn.ModuleList(
            conv_twice(a, b, b) for a, b in ((64, 128), (128, 256), (256, 512), (512, 512))
        )
        self.skips = SkipTransformer((config.grid[0], config.grid[1]))
        self.bridge = Up(5, 1024, 512, 512)
        self.decoder = nn.ModuleList(
            [Up(5, 1024, 256, 256), Up(5, 512, 128, 128), Up(5, 256, 64, 64), Up(3, 128, 64, 64)]
        )
        self.head = nn.Conv2d(64, config.num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        maps = [self.first(image)]
        for stage in self.encoder:
            maps.append(stage(F.max_pool2d(maps[-1], 2)))
        *raw, x = maps
        skips = self.skips(raw)
        x = self.bridge(resize(x, raw[3]), raw[3])
        for number, up in enumerate(self.decoder):
            if number:
                x = F.interpolate(x, scale_factor=2.0)
            x = up(x, skips[3 - number])
        return self.head(x)
