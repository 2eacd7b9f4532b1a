"""EGE-UNet (Ruan, Xie, Gao, Liu and Fu, MICCAI 2023): Hadamard products and group aggregation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.egeunet import EGEUNetConfig
from segkit_baselines.layers import depthwise, double, init_light, pointwise, resize
from segkit_baselines.six_stage import MULTIPLE, WIDTHS, SixStages


class ChannelNorm(nn.Module):
    """Normalises the channels of each pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]


def _axis_mixer(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, channels, 3, padding=1, groups=channels),
        nn.GELU(),
        nn.Conv1d(channels, channels, 1),
    )


class GHPA(nn.Module):
    """Three quarters are multiplied with learned maps over (x, y), y and x; the fourth is
    convolved.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        quarter = inputs // 4
        self.norm1 = ChannelNorm(inputs)
        self.params_xy = nn.Parameter(torch.ones(1, quarter, 8, 8))
        self.params_zx = nn.Parameter(torch.ones(1, 1, quarter, 8))
        self.params_zy = nn.Parameter(torch.ones(1, 1, quarter, 8))
        self.conv_xy = nn.Sequential(depthwise(quarter, 3), nn.GELU(), pointwise(quarter, quarter))
        self.conv_zx, self.conv_zy = _axis_mixer(quarter), _axis_mixer(quarter)
        self.dw = nn.Sequential(pointwise(quarter, quarter), nn.GELU(), depthwise(quarter, 3))
        self.norm2 = ChannelNorm(inputs)
        self.ldw = nn.Sequential(depthwise(inputs, 3), nn.GELU(), pointwise(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x1, x2, x3, x4 = self.norm1(x).chunk(4, dim=1)
        height, width = x.shape[-2:]
        x1 = x1 * self.conv_xy(resize(self.params_xy, x, align_corners=True))
        x2 = x2 * self.along(self.params_zx, self.conv_zx, height)[..., None]
        x3 = x3 * self.along(self.params_zy, self.conv_zy, width)[..., None, :]
        return self.ldw(self.norm2(torch.cat([x1, x2, x3, self.dw(x4)], 1)))

    def along(self, params: Tensor, mixer: nn.Module, length: int) -> Tensor:
        """A learned line (1, 1, c, 8) at this length: (1, c, length)."""
        size = (params.shape[2], length)
        line = F.interpolate(params, size=size, mode="bilinear", align_corners=True)
        return mixer(line.squeeze(0))


class GAB(nn.Module):
    """Joins the deeper skip, this stage and its mask logits in four dilated groups."""

    def __init__(self, deep: int, shallow: int):
        super().__init__()
        group = shallow // 2 + 1
        self.pre_project = pointwise(deep, shallow)
        self.groups = nn.ModuleList(
            nn.Sequential(ChannelNorm(group), depthwise(group, 3, dilation))
            for dilation in (1, 2, 5, 7)
        )
        self.tail = nn.Sequential(ChannelNorm(2 * shallow + 4), pointwise(2 * shallow + 4, shallow))

    def forward(self, deep: Tensor, shallow: Tensor, mask: Tensor) -> Tensor:
        deep = resize(self.pre_project(deep), shallow, align_corners=True)
        quarters = zip(deep.chunk(4, 1), shallow.chunk(4, 1), self.groups, strict=True)
        return self.tail(torch.cat([g(torch.cat([d, s, mask], 1)) for d, s, g in quarters], 1))


class EGEUNet(SixStages):
    """The six-stage skeleton; each skip is aggregated with the one below under a predicted mask."""

    def __init__(self, config: EGEUNetConfig):
        super().__init__(
            config.in_channels, config.num_classes, [GHPA] * 3, [GHPA] * 3, nn.Identity()
        )
        pairs = zip(WIDTHS[5:0:-1], WIDTHS[4::-1], strict=True)  # (64, 48) … (16, 8)
        self.gabs = nn.ModuleList(GAB(deep, shallow) for deep, shallow in pairs)
        self.masks = nn.ModuleList(pointwise(width, 1) for width in WIDTHS[4::-1])
        classes = config.num_classes
        # the bridge takes one mask channel; several classes need supervised heads of their own
        self.aux_heads = nn.ModuleList(
            pointwise(width, classes) for width in (WIDTHS[4::-1] if classes > 1 else ())
        )
        init_light(self)

    def logits(self, image: Tensor) -> Tensor:
        return self.decode(image)[0]

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits, then those of the stages from H/2 to H/32."""
        return run_padded(self.decode, image, MULTIPLE)

    def decode(self, image: Tensor) -> tuple[Tensor, ...]:
        """The main logits and the five stage logits, shallow to deep; sides are multiples of 32."""
        *stages, x = self.contract(image)
        bridged, supervised = x, []
        for step, stage in enumerate(reversed(stages)):
            lifted = self.lift(step, x)
            mask = self.masks[step](lifted)
            bridged = self.gabs[step](bridged, stage, mask)
            supervised.append(self.aux_heads[step](lifted) if self.aux_heads else mask)
            x = lifted + bridged
        return double(self.head(x)), *reversed(supervised)
