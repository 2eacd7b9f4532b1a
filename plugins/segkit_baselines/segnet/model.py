"""SegNet (Badrinarayanan et al., 2017): pooling indices are the only skips."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import ConvNormAct
from segkit_baselines.segnet import SegNetConfig

ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))


def _convolutions(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    pairs = zip((inputs, *widths), widths, strict=False)
    return nn.Sequential(*(ConvNormAct(a, b) for a, b in pairs))


class SegNet(nn.Module):
    """Five groups down, five up."""

    def __init__(self, config: SegNetConfig):
        super().__init__()
        inputs = (config.in_channels, *(widths[-1] for widths in ENCODER))
        self.encoder = nn.ModuleList(map(_convolutions, inputs, ENCODER))
        inputs = (ENCODER[-1][-1], *(widths[-1] for widths in DECODER))
        self.decoder = nn.ModuleList(map(_convolutions, inputs, DECODER))
        self.head = nn.Conv2d(DECODER[-1][-1], config.num_classes, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        x, pooled = image, []
        for group in self.encoder:
            full = group(x)
            x, places = F.max_pool2d(full, 2, stride=2, return_indices=True)
            pooled.append((full.shape, places))
        for group, (shape, places) in zip(self.decoder, pooled[::-1], strict=True):
            x = group(unpool(x, places, (shape[2], shape[3])))
        return self.head(x)


def unpool(x: Tensor, places: Tensor, size: tuple[int, int]) -> Tensor:
    """Zeros, and each value where the maximum was."""
    empty = x.new_zeros(x.shape[0], x.shape[1], size[0] * size[1])
    return empty.scatter(2, places.flatten(2), x.flatten(2)).unflatten(2, size)
