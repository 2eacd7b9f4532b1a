"""Multi-scale fusion of the encoder's maps (MSEF) and of the decoder's (MSDF); both supervised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.folding import convolve
from segkit.nn.precision import at_least_float32
from segkit_eamnet.blocks import ConvBn

SCALES = 4


class MSEF(nn.Module):
    """All encoder maps at the coarsest size and width, summed with a weight per scale and pixel."""

    def __init__(self, widths: Sequence[int], classes: int):
        super().__init__()
        last = widths[-1]
        self.align = nn.ModuleList(ConvBn(width, last, 1) for width in widths[:-1])
        self.describe = nn.ModuleList(ConvBn(last, 8, 1) for _ in widths)
        self.weigh = nn.Conv2d(8 * SCALES, SCALES, 1)
        self.head = nn.Conv2d(last, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """E1..E4 -> F; `head(F)` is the supervised map."""
        factors = [2 ** (SCALES - i) for i in range(1, SCALES)]
        pooled = [F.max_pool2d(x, f) for x, f in zip(maps, factors, strict=False)]
        scales = [align(x) for align, x in zip(self.align, pooled, strict=True)] + [maps[-1]]
        described = [conv(x) for conv, x in zip(self.describe, scales, strict=True)]
        scores = convolve(self.weigh, torch.cat(described, dim=1))
        weights = at_least_float32(scores).softmax(dim=1).to(scores.dtype)
        parts = zip(weights.split(1, dim=1), scales, strict=True)
        return torch.stack([weight * x for weight, x in parts]).sum(0)


class MSDF(nn.Module):
    """All decoder maps at full size, each with one learned strength, to logits."""

    def __init__(self, widths: Sequence[int], classes: int, width: int = 32):
        super().__init__()
        self.narrow = nn.ModuleList(ConvBn(w, width, 1) for w in widths)
        self.sides = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in widths)
        self.scale = nn.Sequential(
            nn.Conv2d(SCALES * width, width, 1), nn.ReLU(), nn.Conv2d(width, SCALES, 1)
        )
        self.fuse = ConvBn(SCALES * width, width, 3)
        self.head = nn.Conv2d(width, classes, 1)

    def narrowed(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """p1..p4 at their own sizes."""
        return [narrow(x) for narrow, x in zip(self.narrow, maps, strict=True)]

    def side_logits(self, narrowed: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """m1..m4, the supervised maps."""
        pairs = zip(self.sides, narrowed, strict=True)
        return tuple(convolve(side, p) for side, p in pairs)  # type: ignore[arg-type]

    def forward(self, narrowed: Sequence[Tensor]) -> Tensor:
        """p1..p4 -> logits y at the size of p1."""
        size = narrowed[0].shape[-2:]
        raised = [narrowed[0]] + [
            F.interpolate(p, size=size, mode="bilinear", align_corners=False) for p in narrowed[1:]
        ]
        means = torch.cat([u.mean((2, 3), keepdim=True) for u in raised], dim=1)
        strengths = 1 + torch.sigmoid(self.scale(means))
        scaled = [s * u for s, u in zip(strengths.split(1, dim=1), raised, strict=True)]
        return convolve(self.head, self.fuse(torch.cat(scaled, dim=1)))
