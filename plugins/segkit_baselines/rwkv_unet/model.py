"""RWKV-UNet (Jiang et al., 2025): inverted residuals, RWKV mixing, a mixer across the skips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import (
    DropPath,
    MapNorm,
    depthwise,
    double,
    drop_rates,
    init_linears,
    pointwise,
    resize,
)
from segkit_baselines.rwkv_unet import RWKVUNetConfig
from segkit_baselines.rwkv_unet.mixing import ChannelMixer, TokenMixer

STEM, EPS, IMAGENET_CLASSES = 24, 1e-6, 1000


def _bn(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS)


class Squeeze(nn.Module):
    """The map weighted by channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce, self.expand = pointwise(channels, channels), pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * self.expand(F.silu(self.reduce(mean))).sigmoid()


class Block(nn.Module):
    """Widen, mix globally where asked, mix locally, narrow."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        mid: int,
        norm: nn.Module,
        *,
        stride: int = 1,
        mixes: bool = False,
        skip: bool = False,
        squeeze: bool = False,
        drop: float = 0.0,
    ):
        super().__init__()
        self.mixes, self.skip = mixes, skip
        self.norm = norm
        self.conv = nn.Sequential(pointwise(inputs, mid, bias=False), _bn(mid), nn.ReLU())
        self.att, self.ln1, self.ln2 = TokenMixer(mid), nn.LayerNorm(mid), nn.LayerNorm(mid)
        self.drop = DropPath(drop)
        local = nn.Conv2d(mid, mid, 5, stride=stride, padding=2, groups=mid, bias=False)
        self.conv_local = nn.Sequential(local, _bn(mid), nn.SiLU())
        self.se: nn.Module = Squeeze(mid) if squeeze else nn.Identity()
        self.proj = pointwise(mid, outputs, bias=False)
        for part in (self.ln2, *(() if mixes else (self.att, self.ln1))):
            part.requires_grad_(False)  # never used, as released

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.norm(x))
        if self.mixes:
            grid = y.movedim(1, -1)
            y = (grid + self.drop(self.ln1(self.att(grid)))).movedim(-1, 1)
        local = self.se(self.conv_local(y))
        y = self.proj(y + local if self.skip else local)
        return x + y if self.skip else y


class Encoder(nn.Module):
    """Stages 0 … 4 at H … H/16; the deep two mix globally."""

    def __init__(self, config: RWKVUNetConfig):
        super().__init__()
        stem = Block(config.in_channels, STEM, config.in_channels, nn.Identity(), squeeze=True)
        self.stages = nn.ModuleList([nn.Sequential(stem)])
        drops = iter(drop_rates(config.drop_path, sum(config.depths)))
        before = STEM
        for number, (depth, width, expansion) in enumerate(
            zip(config.depths, config.widths, config.expansions, strict=True), 1
        ):
            deep = number >= 3
            norm = (lambda c: MapNorm(c, eps=EPS)) if deep else _bn
            blocks = [
                Block(
                    before, width, int(2 * expansion * before), norm(before),
                    stride=2, drop=next(drops),
                )
            ]  # fmt: skip
            mid = int(expansion * width)
            blocks += [
                Block(width, width, mid, norm(width), mixes=deep, skip=True, drop=next(drops))
                for _ in range(depth - 1)
            ]
            self.stages.append(nn.Sequential(*blocks))
            before = width
        self.norm, self.head = nn.LayerNorm(before, eps=EPS), nn.Linear(before, IMAGENET_CLASSES)
        for part in (self.norm, self.head):
            part.requires_grad_(False)  # of the classifier that the encoder was
        init_linears(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        x, maps = image, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]


class CrossSkips(nn.Module):
    """The three skips, deep to shallow, mixed by channel at H/2."""

    def __init__(self, widths: list[int], drop: float):
        super().__init__()
        width = widths[-1]
        self.width = width
        self.into = nn.ModuleList(pointwise(w, width) for w in widths)
        self.mixer, self.norm = ChannelMixer(3 * width), nn.LayerNorm(3 * width)
        self.drop = DropPath(drop)
        self.back = nn.ModuleList(pointwise(width, w) for w in widths)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        same = [conv(resize(x, skips[-1])) for conv, x in zip(self.into, skips, strict=True)]
        x = torch.cat(same, 1).movedim(1, -1)
        x = (x + self.drop(self.norm(self.mixer(x)))).movedim(-1, 1)
        parts = x.split(self.width, 1)
        return [
            resize(conv(part), skip)
            for conv, part, skip in zip(self.back, parts, skips, strict=True)
        ]


class Up(nn.Module):
    """A large depthwise kernel between two 1×1 convolutions; twice the grid."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(
            *(pointwise(inputs, inputs, bias=False), _bn(inputs), nn.ReLU()),
            *(depthwise(inputs, 9, bias=False), _bn(inputs), nn.SiLU()),
            *(pointwise(inputs, outputs, bias=False), _bn(outputs), nn.ReLU()),
        )
        self.unused = nn.LayerNorm(inputs).requires_grad_(False)  # as released

    def forward(self, x: Tensor) -> Tensor:
        return double(self.layers(x), align_corners=False)


class RWKVUNet(nn.Module):
    """Encoder to H/16, mixed skips, four light decoder levels."""

    def __init__(self, config: RWKVUNetConfig):
        super().__init__()
        d1, d2, d3, d4 = config.widths
        self.encoder = Encoder(config)
        self.skips = CrossSkips([d3, d2, d1], config.drop_path)
        self.ups = nn.ModuleList([Up(d4, d3), Up(2 * d3, d2), Up(2 * d2, d1), Up(2 * d1, STEM)])
        self.head = pointwise(STEM, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        *fine, x = self.encoder(image)
        x = self.ups[0](x)
        for up, skip in zip(self.ups[1:], self.skips(fine[::-1]), strict=True):
            x = up(torch.cat([x, skip], 1))
        return self.head(x)
