"""MBSNet (Scientific Reports 2023): two encoders, crossed fusion, the image joined in once more."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import ConvNormAct, MapNorm, depthwise, double, pointwise
from segkit_baselines.mbsnet import MBSNetConfig

DILATIONS = (2, 4, 8)
DROP = 0.1


class PRM(nn.Module):
    """A pooled view beside a depthwise one with an MLP; both are joined and added."""

    def __init__(self, channels: int):
        super().__init__()
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            pointwise(channels, channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.point, self.look = pointwise(channels, channels, bias=False), depthwise(channels, 3)
        self.norm = MapNorm(channels)
        self.widen = nn.Linear(channels, 4 * channels)
        self.shrink = nn.Linear(4 * channels, channels)
        self.norm_out = nn.BatchNorm2d(channels)
        self.join = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.join_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.look(self.point(x))).movedim(1, -1)
        y = F.relu(self.norm_out(self.shrink(F.gelu(self.widen(y))).movedim(-1, 1)))
        return F.relu(self.join_norm(self.join(torch.cat([self.pooled(x), y], 1))) + x)


class Squeeze(nn.Module):
    """Which channels count, from their means."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Linear(channels, channels, bias=False)
        self.expand = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.expand(F.relu(self.reduce(x.mean((2, 3))))).sigmoid()
        return x * weights[..., None, None]


def dilated(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """1×1, dilated 3×3, 1×1, each with norm and ReLU."""
    return nn.Sequential(
        ConvNormAct(inputs, outputs, 1),
        ConvNormAct(outputs, outputs, 3, dilation, bias=False),
        ConvNormAct(outputs, outputs, 1),
    )


class ChannelQuery(nn.Module):
    """One query of the whole picture, softmax over its channels, asks every pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.query1 = pointwise(channels, channels, bias=False)
        self.query2 = pointwise(channels, channels, bias=False)
        self.value = pointwise(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        query = self.query2(F.gelu(self.query1(x.mean((2, 3), keepdim=True)))).softmax(1)
        asked = query.flatten(2).transpose(1, 2) @ self.value(x).flatten(2)  # (B, 1, H W)
        return x + asked.unflatten(2, x.shape[-2:])


class MBSNet(nn.Module):
    """Local maps e1 … e5, global maps g1 … g3; each level of the decoder crosses both."""

    def __init__(self, config: MBSNetConfig):
        super().__init__()
        f1, f2, f3, f4, f5 = config.widths
        inputs = config.in_channels
        self.local = nn.ModuleList(
            nn.Sequential(ConvNormAct(a, b), PRM(b)) for a, b in pairwise((inputs, *config.widths))
        )
        self.squeeze = Squeeze(f5)
        steps = list(zip(pairwise((inputs, f1, f2, f3)), DILATIONS, strict=True))
        self.wide = nn.ModuleList(dilated(a, b, rate) for (a, b), rate in steps)
        self.joins = nn.ModuleList(ConvNormAct(2 * width, width) for width in (f1, f2, f3))
        self.query = ChannelQuery(f3)
        self.lift5, self.fuse4 = ConvNormAct(f5, f4), ConvNormAct(f5, f4)
        self.lift4, self.fuse3 = ConvNormAct(f4, f3), ConvNormAct(f4, f3)
        self.from_wide3, self.to_local2 = ConvNormAct(f3, f2), ConvNormAct(f3, f2)
        self.from_local3, self.to_wide2 = ConvNormAct(f3, f2), ConvNormAct(f3, f2)
        self.from_wide2, self.to_local1 = ConvNormAct(f2, f1), ConvNormAct(f2, f1)
        self.from_local2, self.to_wide1 = ConvNormAct(f2, f1), ConvNormAct(f1 + inputs, f1)
        self.drop = nn.Dropout(DROP)
        self.mix, self.head = pointwise(2 * f1, f1), pointwise(f1, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        e1, e2, e3, e4, e5 = self.look_closely(image)
        _, g2, g3 = self.look_widely(image, [e1, e2, e3])
        d4 = self.fuse4(torch.cat([e4, self.lift5(_up(e5))], 1))
        d3 = self.fuse3(torch.cat([e3, self.lift4(_up(d4))], 1))
        d2 = self.drop(self.to_local2(torch.cat([_up(self.from_wide3(g3)), e2], 1)))
        w2 = self.drop(self.to_wide2(torch.cat([_up(self.from_local3(d3)), g2], 1)))
        d1 = self.drop(self.to_local1(torch.cat([_up(self.from_wide2(w2)), e1], 1)))
        w1 = self.drop(self.to_wide1(torch.cat([_up(self.from_local2(d2)), image], 1)))
        return self.head(self.mix(torch.cat([d1, w1], 1)))

    def look_closely(self, image: Tensor) -> list[Tensor]:
        """The local branch, at H … H/16."""
        x, maps = image, []
        for number, stage in enumerate(self.local):
            x = stage(F.max_pool2d(x, 2) if number else x)
            maps.append(x)
        return [*maps[:-1], self.squeeze(x)]

    def look_widely(self, image: Tensor, local: list[Tensor]) -> list[Tensor]:
        """The global branch, at H, H/2 and H/4; each step joins a local map."""
        x, maps = image, []
        for number, (wide, join) in enumerate(zip(self.wide, self.joins, strict=True)):
            x = join(torch.cat([wide(F.avg_pool2d(x, 2) if number else x), local[number]], 1))
            maps.append(x)
        return [*maps[:-1], self.query(x)]


def _up(x: Tensor) -> Tensor:
    return double(x, align_corners=False)
