"""U-Net++ over a ResNet-34, the form that benchmark papers run under the same name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.layers import ConvNormAct, double, pointwise
from segkit_baselines.resnet import ResNet
from segkit_baselines.unetpp_r34 import UNetPPR34Config

ENCODER = (64, 64, 128, 256, 512)
OUTPUTS = {"01": 64, "11": 64, "21": 128, "31": 256, "02": 64, "12": 128, "22": 256}
OUTPUTS |= {"03": 128, "13": 256, "04": 256}


class Node(nn.Sequential):
    """Three 3×3 convolutions through half the output width."""

    def __init__(self, inputs: int, outputs: int):
        half = outputs // 2
        super().__init__(
            ConvNormAct(inputs, half, bias=False),
            ConvNormAct(half, half, bias=False),
            ConvNormAct(half, outputs, bias=False),
        )


class UNetPPR34(nn.Module):
    """Ten nodes over the encoder; the logits of the top row are mixed at H/2."""

    def __init__(self, config: UNetPPR34Config):
        super().__init__()
        self.encoder = ResNet(config.in_channels, 34)
        width = {f"{i}0": channels for i, channels in enumerate(ENCODER)} | OUTPUTS
        self.nodes = nn.ModuleDict()
        for name, outputs in OUTPUTS.items():
            i, j = int(name[0]), int(name[1])
            earlier = sum(width[f"{i}{k}"] for k in range(j))
            self.nodes[name] = Node(earlier + width[f"{i + 1}{j - 1}"], outputs)
        self.heads = nn.ModuleList(
            pointwise(width[f"0{j}"], config.num_classes) for j in range(1, 5)
        )
        self.mix = nn.Parameter(torch.ones(5))  # the first entry is unused, as published

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.logits, image, 32)

    def logits(self, image: Tensor) -> Tensor:
        """Sides are multiples of 32."""
        rows = [[feature] for feature in self.encoder(image)]
        for j in range(1, 5):
            for i in range(5 - j):
                below = F.interpolate(rows[i + 1][j - 1], scale_factor=2.0, mode="nearest")
                rows[i].append(self.nodes[f"{i}{j}"](torch.cat([*rows[i], below], 1)))
        scores = [head(node) for head, node in zip(self.heads, rows[0][1:], strict=True)]
        mixed = sum(self.mix[j + 1] * score for j, score in enumerate(scores))
        return double(mixed, align_corners=False)
