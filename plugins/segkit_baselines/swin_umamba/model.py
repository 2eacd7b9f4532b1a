"""Swin-UMamba (Liu et al., 2024): visual state-space stages, residual skips, residual decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import drop_rates, init_linears
from segkit_baselines.swin_umamba import SwinUMambaConfig
from segkit_baselines.vmunet.model import VSS, Merge

WIDTHS, DEPTHS = (96, 192, 384, 768), (2, 2, 9, 2)
HEADS = (48, 96, 192, 384)  # widths of the maps at H, H/2, H/4, H/8 that have a head
SLOPE = 0.01


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut; instance norms without weights."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(F.instance_norm(self.conv1(x)), SLOPE)
        y = F.instance_norm(self.conv2(y))
        rest = x if self.shortcut is None else F.instance_norm(self.shortcut(x))
        return F.leaky_relu(y + rest, SLOPE)


class Up(nn.Module):
    """Twice the grid, joined with a skip, a residual block."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)
        self.block = Residual(2 * outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.block(torch.cat([self.up(x), skip], 1))


class Encoder(nn.Module):
    """A convolutional stem at H/2, then VMamba's four stages at H/4 … H/32."""

    def __init__(self, inputs: int, drop_path: float):
        super().__init__()
        self.stem = nn.Conv2d(inputs, 48, 7, stride=2, padding=3)
        self.stem_norm = nn.InstanceNorm2d(48, affine=True)
        self.embed, self.embed_norm = nn.Conv2d(48, WIDTHS[0], 2, stride=2), nn.LayerNorm(WIDTHS[0])
        rates = iter(drop_rates(drop_path, sum(DEPTHS)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(VSS(width, next(rates)) for _ in range(depth)))
            for width, depth in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.merges = nn.ModuleList(Merge(width) for width in WIDTHS[:3])
        init_linears(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [self.stem_norm(self.stem(image))]
        x = self.embed_norm(self.embed(maps[0]).permute(0, 2, 3, 1))  # (B, H/4, W/4, C)
        for number, stage in enumerate(self.stages):
            if number:
                x = self.merges[number - 1](x)
            x = stage(x)
            maps.append(x.permute(0, 3, 1, 2))
        return maps


class SwinUMamba(nn.Module):
    """Encoder, a residual block in each skip, decoder to full size, heads at four sizes."""

    def __init__(self, config: SwinUMambaConfig):
        super().__init__()
        self.encoder = Encoder(config.in_channels, config.drop_path)
        skips = (48, *WIDTHS)
        self.skips = nn.ModuleList(map(Residual, (config.in_channels, *skips), skips))
        self.ups = nn.ModuleList(map(Up, (WIDTHS[-1], *skips[:0:-1]), skips[::-1]))
        self.last = Residual(skips[0], skips[0])
        self.heads = nn.ModuleList(nn.Conv2d(width, config.num_classes, 1) for width in HEADS)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(lambda padded: self.heads[0](self.maps(padded)[0]), image, 32)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits at H, H/2, H/4 and H/8."""
        return run_padded(self._supervised, image, 32)

    def _supervised(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(head(x) for head, x in zip(self.heads, self.maps(image), strict=True))

    def maps(self, image: Tensor) -> list[Tensor]:
        """What the heads see, fine to coarse; sides are multiples of 32."""
        *fine, x = self.encoder(image)
        skips = [block(y) for block, y in zip(self.skips, (image, *fine), strict=True)]
        decoded = []
        for up, skip in zip(self.ups, skips[::-1], strict=True):
            x = up(x, skip)
            decoded.append(x)
        return [self.last(x), *decoded[-2:0:-1]]
