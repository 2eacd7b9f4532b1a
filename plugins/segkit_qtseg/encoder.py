"""The encoder: the YOLOv8-nano backbone with its path-aggregation neck, three maps out.

Module names carry the layer numbers of YOLOv8, so that a checkpoint of either origin is a renaming
away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit_qtseg.layers import ConvBnAct


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, without reduction inside; the input is added where `add` says so."""

    def __init__(self, width: int, add: bool, eps: float):
        super().__init__()
        self.cv1 = ConvBnAct(width, width, 3, eps=eps)
        self.cv2 = ConvBnAct(width, width, 3, eps=eps)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    """Cross-stage block: two halves, a chain of bottlenecks on the second, every link kept."""

    def __init__(self, inputs: int, outputs: int, repeats: int, add: bool, eps: float):
        super().__init__()
        half = outputs // 2
        self.cv1 = ConvBnAct(inputs, 2 * half, 1, eps=eps)
        self.cv2 = ConvBnAct((2 + repeats) * half, outputs, 1, eps=eps)
        self.m = nn.ModuleList(Bottleneck(half, add, eps) for _ in range(repeats))

    def forward(self, x: Tensor) -> Tensor:
        parts = self._halves(x)
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))

    def _halves(self, x: Tensor) -> list[Tensor]:
        """The two halves of cv1's map; a graph for a runtime computes them apart, uncopied."""
        if torch.compiler.is_exporting():
            return self.cv1.parts(x, 2)
        return list(self.cv1(x).chunk(2, dim=1))


class SPPF(nn.Module):
    """Spatial pyramid pooling: three 5x5 maxima in a row, all four maps fused."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.cv1 = ConvBnAct(width, width // 2, 1, eps=eps)
        self.cv2 = ConvBnAct(2 * width, width, 1, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, stride=1, padding=2))
        return self.cv2(torch.cat(maps, dim=1))


class Encoder(nn.Module):
    """image (B,3,H,W) -> P3 (B,4n,H/8,W/8), P4 (B,8n,H/16,W/16), P5 (B,16n,H/32,W/32)."""

    def __init__(self, in_channels: int = 3, width: int = 16, eps: float = 1e-5):
        super().__init__()
        n = width
        self.conv_0 = ConvBnAct(in_channels, n, 3, 2, eps)
        self.conv_1 = ConvBnAct(n, 2 * n, 3, 2, eps)
        self.c2f_2 = C2f(2 * n, 2 * n, 1, True, eps)
        self.conv_3 = ConvBnAct(2 * n, 4 * n, 3, 2, eps)
        self.c2f_4 = C2f(4 * n, 4 * n, 2, True, eps)
        self.conv_5 = ConvBnAct(4 * n, 8 * n, 3, 2, eps)
        self.c2f_6 = C2f(8 * n, 8 * n, 2, True, eps)
        self.conv_7 = ConvBnAct(8 * n, 16 * n, 3, 2, eps)
        self.c2f_8 = C2f(16 * n, 16 * n, 1, True, eps)
        self.sppf_9 = SPPF(16 * n, eps)
        self.c2f_12 = C2f(24 * n, 8 * n, 1, False, eps)
        self.c2f_15 = C2f(12 * n, 4 * n, 1, False, eps)
        self.conv_16 = ConvBnAct(4 * n, 4 * n, 3, 2, eps)
        self.c2f_18 = C2f(12 * n, 8 * n, 1, False, eps)
        self.conv_19 = ConvBnAct(8 * n, 8 * n, 3, 2, eps)
        self.c2f_21 = C2f(24 * n, 16 * n, 1, False, eps)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stride8 = self.c2f_4(self.conv_3(self.c2f_2(self.conv_1(self.conv_0(image)))))
        stride16 = self.c2f_6(self.conv_5(stride8))
        stride32 = self.sppf_9(self.c2f_8(self.conv_7(stride16)))
        down16 = self.c2f_12(torch.cat([double(stride32), stride16], dim=1))
        p3 = self.c2f_15(torch.cat([double(down16), stride8], dim=1))
        p4 = self.c2f_18(torch.cat([self.conv_16(p3), down16], dim=1))
        p5 = self.c2f_21(torch.cat([self.conv_19(p4), stride32], dim=1))
        return p3, p4, p5


def double(x: Tensor) -> Tensor:
    """Nearest neighbour, twice the size."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
