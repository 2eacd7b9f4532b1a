"""The convolutional blocks: CBR, the residual block, multi-resolution channel fusion (MRCF)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.folding import conv_bn


class ConvBn(nn.Module):
    """Convolution without bias, size kept, and batch norm; ReLU where `act` says so."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        dilation: int = 1,
        groups: int = 1,
        act: bool = True,
    ):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, 1, padding, dilation, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        y = conv_bn(self.conv, self.bn, x)
        return F.relu(y, inplace=not y.requires_grad) if self.act else y


class Residual(nn.Module):
    """ReLU(BN(conv(CBR(x))) + x), x through a 1x1 where the width changes."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = ConvBn(inputs, outputs, 3)
        self.second = ConvBn(outputs, outputs, 3, act=False)
        self.skip = nn.Identity() if inputs == outputs else ConvBn(inputs, outputs, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.skip(x))


class MRCF(nn.Module):
    """Four channel groups, three of them dilated, fused; half of the maps are cheap copies."""

    def __init__(self, width: int, rates: Sequence[int] = (3, 5, 7)):
        super().__init__()
        quarter, half = width // 4, width // 2
        self.dilated = nn.ModuleList(ConvBn(quarter, quarter, 3, rate) for rate in rates)
        self.fuse = ConvBn(width, half, 1)
        self.cheap = ConvBn(half, half, 3, groups=half)

    def forward(self, x: Tensor) -> Tensor:
        kept, *groups = x.chunk(4, dim=1)
        seen = [conv(group) for conv, group in zip(self.dilated, groups, strict=True)]
        intrinsic = self.fuse(torch.cat([kept, *seen], dim=1))
        return x + torch.cat([intrinsic, self.cheap(intrinsic)], dim=1)
