"""DeepLabV3+ (Chen et al., ECCV 2018) on a ResNet from scratch, output stride 16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.deeplabv3plus import DeepLabConfig
from segkit_baselines.layers import ConvNormAct, pointwise, resize
from segkit_baselines.resnet import ResNet


class ASPP(nn.Module):
    """A 1×1 convolution, three dilated ones and the image mean, side by side, then mixed."""

    def __init__(self, inputs: int, outputs: int, rates: tuple[int, ...]):
        super().__init__()
        self.point = ConvNormAct(inputs, outputs, 1, bias=False)
        self.atrous = nn.ModuleList(
            ConvNormAct(inputs, outputs, 3, rate, bias=False) for rate in rates
        )
        # a group norm, since one pixel of a batch of one has no batch statistics
        self.mean = nn.Sequential(
            pointwise(inputs, outputs, bias=False), nn.GroupNorm(1, outputs), nn.ReLU(inplace=True)
        )
        self.mix = ConvNormAct((len(rates) + 2) * outputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return self.mix(torch.cat([self.point(x), *(conv(x) for conv in self.atrous), mean], 1))


class DeepLabV3Plus(nn.Module):
    """Encoder at 1/16, atrous pyramid, a decoder that joins features at 1/4."""

    def __init__(self, config: DeepLabConfig):
        super().__init__()
        self.encoder = ResNet(config.in_channels, config.depth, last_stride=1)
        self.aspp = ASPP(512, config.width, config.rates)
        self.low = ConvNormAct(64, 48, 1, bias=False)
        self.decoder = nn.Sequential(
            ConvNormAct(config.width + 48, config.width, bias=False),
            ConvNormAct(config.width, config.width, bias=False),
        )
        self.head = pointwise(config.width, config.num_classes)

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 16)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 16."""
        features = self.encoder(image)
        low = self.low(features[1])
        x = resize(self.aspp(features[4]), low)
        logits = self.head(self.decoder(torch.cat([x, low], 1)))
        return F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)
