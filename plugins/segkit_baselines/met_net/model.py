"""MET-Net (Iqbal and Sharif, 2024): a convolutional and a transformer branch meet at H/16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import MLP, SelfAttention, to_grid, to_tokens
from segkit_baselines.met_net import METNetConfig
from segkit_baselines.resnet import LAYERS, WIDTHS, residual_stage

TOKEN, HEADS, BLOCKS = 192, 3, 12
REPEATS = (6, 4, 2)  # of the feature filter, on the maps at H/2, H/4, H/8
SLOPE = 0.01


def _act() -> nn.Module:
    return nn.LeakyReLU(SLOPE)


class CNN(nn.Module):
    """ResNet-18 without its pooling: maps at H/2 … H/16."""

    def __init__(self, inputs: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64)
        )
        before = (64, *WIDTHS)
        self.stages = nn.ModuleList(
            residual_stage(before[i], width, LAYERS[18][i], stride=min(2, i + 1))
            for i, width in enumerate(WIDTHS)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        x, maps = F.relu(self.stem(image)), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(TOKEN, eps=1e-6), nn.LayerNorm(TOKEN, eps=1e-6)
        self.attn, self.mlp = SelfAttention(TOKEN, HEADS), MLP(TOKEN, 4 * TOKEN)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class Transformer(nn.Module):
    """DeiT-tiny's blocks on patches of 16×16, without positions: a map of 512 at H/16."""

    def __init__(self, inputs: int):
        super().__init__()
        self.patch = nn.Conv2d(inputs, TOKEN, 16, stride=16)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.out = nn.Conv2d(TOKEN, 512, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image)
        return self.out(to_grid(self.blocks(to_tokens(x)), (x.shape[2], x.shape[3])))


class Fusion(nn.Module):
    """Both maps, weighted per channel, mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(1024, 64, bias=False), _act(), nn.Linear(64, 1024, bias=False)
        )
        self.mix = nn.Conv2d(1024, 512, 1)

    def forward(self, cnn: Tensor, transformer: Tensor) -> Tensor:
        x = torch.cat([cnn, transformer], 1)
        return self.mix(x * self.gate(x.mean((2, 3))).sigmoid()[:, :, None, None])


class FeatureFilter(nn.Module):
    """A 3×3 and a 1×1 convolution added, several times with the same weights."""

    def __init__(self, width: int, repeats: int):
        super().__init__()
        self.repeats = repeats
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.conv1 = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.repeats):
            x = F.leaky_relu(self.conv3(x), SLOPE) + F.leaky_relu(self.conv1(x), SLOPE)
        return x


class Decoder(nn.Sequential):
    """Twice the grid through a quarter of the width."""

    def __init__(self, inputs: int, outputs: int):
        mid = inputs // 4
        super().__init__(
            *(nn.Conv2d(inputs, mid, 1), nn.BatchNorm2d(mid), _act()),
            nn.ConvTranspose2d(mid, mid, 3, stride=2, padding=1, output_padding=1),
            *(nn.BatchNorm2d(mid), _act()),
            *(nn.Conv2d(mid, outputs, 1), nn.BatchNorm2d(outputs), _act()),
        )


class METNet(nn.Module):
    """Two branches to H/16, three decoder levels to H/2, a tail to the picture's size."""

    def __init__(self, config: METNetConfig):
        super().__init__()
        self.cnn, self.transformer = CNN(config.in_channels), Transformer(config.in_channels)
        self.fusion = Fusion()
        self.filters = nn.ModuleList(map(FeatureFilter, WIDTHS, REPEATS))
        self.decoder = nn.ModuleList(map(Decoder, WIDTHS[:0:-1], WIDTHS[2::-1]))
        self.unused = Decoder(64, 64).requires_grad_(False)  # never run, as released
        self.tail = nn.Sequential(
            *(nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), _act()),
            *(nn.Conv2d(32, 32, 3, padding=1), _act()),
            nn.Conv2d(32, config.num_classes, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        *fine, coarse = self.cnn(image)
        x = self.fusion(coarse, self.transformer(image))
        skips = [apply(e) for apply, e in zip(self.filters, fine, strict=True)]
        for up, skip in zip(self.decoder, skips[::-1], strict=True):
            x = up(x) + skip
        return self.tail(x)
