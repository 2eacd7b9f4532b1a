"""What EGE-UNet, MALUNet, UltraLight VM-UNet and their kin share: six stages and bridged skips.

Each stage is block, group norm, pooling, GELU, in this order. The skips pass a bridge; MALUNet's is
a spatial and channel attention over all five of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import double, mean_and_top, pointwise

WIDTHS = (8, 16, 24, 32, 48, 64)
MULTIPLE = 32

Maker = Callable[[int, int], nn.Module]  # inputs, outputs -> a stage


class SixStages(nn.Module):
    """Encoder, decoder and head; `bridge` turns the five stage outputs into skips.

    `encode` makes the last stages of the six, `decode` the first of the five: the rest are plain
    convolutions.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        encode: Sequence[Maker],
        decode: Sequence[Maker],
        bridge: nn.Module,
        widths: Sequence[int] = WIDTHS,
    ):
        super().__init__()
        back = widths[::-1]
        self.encoder = _stages([*[_conv] * (6 - len(encode)), *encode], [inputs, *widths])
        self.decoder = _stages([*decode, *[_conv] * (5 - len(decode))], back)
        self.encoder_norm = nn.ModuleList(nn.GroupNorm(4, width) for width in widths[:5])
        self.decoder_norm = nn.ModuleList(nn.GroupNorm(4, width) for width in back[1:])
        self.bridge = bridge
        self.head = pointwise(widths[0], classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, MULTIPLE)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        *stages, x = self.contract(image)
        for step, skip in enumerate(reversed(self.bridge(stages))):
            x = self.lift(step, x) + skip
        return double(self.head(x))

    def contract(self, image: Tensor) -> list[Tensor]:
        """The five pooled stages at H/2 … H/32 and the bottom features at H/32."""
        stages, x = [], image
        for block, norm in zip(self.encoder, self.encoder_norm, strict=False):
            x = F.gelu(F.max_pool2d(norm(block(x)), 2))
            stages.append(x)
        return [*stages, F.gelu(self.encoder[5](x))]

    def lift(self, step: int, x: Tensor) -> Tensor:
        """One decoder step; the first stays at H/32, the others double the size."""
        x = self.decoder_norm[step](self.decoder[step](x))
        return F.gelu(double(x) if step else x)


def _stages(makers: Sequence[Maker], widths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(make(a, b) for make, (a, b) in zip(makers, pairwise(widths), strict=True))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class SCAB(nn.Module):
    """Spatial, then channel attention over the five stage outputs together."""

    def __init__(self, widths: Sequence[int] = WIDTHS[:5]):
        super().__init__()
        self.spatial = nn.Conv2d(2, 1, 7, padding=9, dilation=3)
        self.mix = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.gates = nn.ModuleList(nn.Linear(sum(widths), width) for width in widths)

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        gated = [self.look(stage) * stage for stage in stages]
        strong = [q + stage for q, stage in zip(gated, stages, strict=True)]
        means = torch.cat([u.mean((2, 3)) for u in strong], 1)  # (B, 128)
        means = self.mix(means.unsqueeze(1)).squeeze(1)
        weights = [gate(means).sigmoid()[..., None, None] for gate in self.gates]
        # the spatial result joins the sum, not the strengthened one
        return [w * u + q for w, u, q in zip(weights, strong, gated, strict=True)]

    def look(self, stage: Tensor) -> Tensor:
        """Where to look: one map from the mean and the maximum over channels."""
        return self.spatial(mean_and_top(stage)).sigmoid()
