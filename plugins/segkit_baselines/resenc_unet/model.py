"""A 2-D residual-encoder U-Net in nnU-Net's manner (Isensee et al., 2021 and MICCAI 2024)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.resenc_unet import ResEncConfig

BLOCKS = (1, 3, 4, 6, 6, 6, 6, 6)


class InstanceNorm(nn.InstanceNorm2d):
    """Answers with its bias where the map is one pixel; torch's layer refuses that even in eval."""

    def __init__(self, channels: int):
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        fast = torch.backends.cudnn.enabled
        return torch.instance_norm(x, self.weight, self.bias, None, None, True, 0.0, self.eps, fast)


class ConvNorm(nn.Sequential):
    """3×3 convolution and instance norm; `act` adds the leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, act: bool = True):
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
            InstanceNorm(outputs),
        ]
        super().__init__(*layers, *([nn.LeakyReLU(0.01)] if act else []))


class Residual(nn.Module):
    """Two convolutions; the shortcut pools where the block strides, projects where it widens."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, stride)
        self.conv2 = ConvNorm(outputs, outputs, act=False)
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if inputs != outputs:
            shortcut += [
                nn.Conv2d(inputs, outputs, 1, bias=False),
                InstanceNorm(outputs),
            ]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv2(self.conv1(x)) + self.shortcut(x), 0.01)


class ResEncUNet(nn.Module):
    """Stem, residual stages that double up to 512 channels, a light decoder with heads at each
    level.
    """

    def __init__(self, config: ResEncConfig):
        super().__init__()
        widths = [min(512, 32 * 2**stage) for stage in range(config.stages)]
        self.multiple = 2 ** (config.stages - 1)
        self.plain = config.plain
        self.encoder = nn.ModuleList()
        first = config.in_channels if config.plain else widths[0]
        for stage, (a, b) in enumerate(pairwise([first, *widths])):
            self.encoder.append(_stage(a, b, stage, config.plain))
        self.stem = nn.Identity() if config.plain else ConvNorm(config.in_channels, widths[0])
        back = list(pairwise(widths[::-1]))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in back)
        self.decoder = nn.ModuleList(_decode(b, config.plain) for _, b in back)
        self.heads = nn.ModuleList(nn.Conv2d(b, config.num_classes, 1) for _, b in back)
        self._init()

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(lambda x: self.heads[-1](self.decode(x)[-1]), image, self.multiple)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits at full size, then at H/2, H/4 … as nnU-Net's deep supervision has them."""
        return run_padded(self.all_logits, image, self.multiple)

    def all_logits(self, image: Tensor) -> tuple[Tensor, ...]:
        """Fine to coarse."""
        levels = zip(self.heads, self.decode(image), strict=True)
        return tuple(head(x) for head, x in levels)[::-1]

    def decode(self, image: Tensor) -> list[Tensor]:
        """Decoder features from the deepest level to full size."""
        x, skips = self.stem(image), []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        levels = []
        for up, block, skip in zip(self.ups, self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat([up(x), skip], 1))
            levels.append(x)
        return levels

    def _init(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, a=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for block in self.modules():
            if isinstance(block, Residual):  # a block starts as its shortcut
                nn.init.zeros_(block.conv2.get_parameter("1.weight"))


def _stage(inputs: int, outputs: int, stage: int, plain: bool) -> nn.Sequential:
    stride = 2 if stage else 1
    if plain:
        return nn.Sequential(ConvNorm(inputs, outputs, stride), ConvNorm(outputs, outputs))
    later = [Residual(outputs, outputs, 1) for _ in range(BLOCKS[stage] - 1)]
    return nn.Sequential(Residual(inputs, outputs, stride), *later)


def _decode(width: int, plain: bool) -> nn.Sequential:
    second = [ConvNorm(width, width)] if plain else []
    return nn.Sequential(ConvNorm(2 * width, width), *second)


def stages_for(size: tuple[int, int]) -> int:
    """nnU-Net's planning rule for isotropic pixels: the stages that a picture this size takes."""
    sides = [float(side) for side in size]
    spacing, pools = [1.0, 1.0], 0
    while True:
        finest = min((s for s, side in zip(spacing, sides, strict=True) if side >= 8), default=1.0)
        able = [i for i in (0, 1) if sides[i] >= 8 and spacing[i] < 2 * finest]
        if not able or (len(able) == 1 and sides[able[0]] < 12):
            return pools + 1
        for axis in able:
            sides[axis], spacing[axis] = float(-(-sides[axis] // 2)), spacing[axis] * 2
        pools += 1
