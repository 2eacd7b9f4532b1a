"""The ResNet-34 and ResNet-18 encoders (He et al., CVPR 2016), from scratch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; the stride is in the first."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1):
        super().__init__()
        self.conv1 = _conv3(inputs, outputs, stride, dilation)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3(outputs, outputs, 1, dilation)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def _conv3(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


def residual_stage(
    inputs: int, outputs: int, count: int, stride: int, dilation: int = 1
) -> nn.Sequential:
    """Basic blocks in a row, the first with the stride."""
    blocks = [BasicBlock(inputs, outputs, stride, dilation)]
    blocks += [BasicBlock(outputs, outputs, 1, dilation) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


class ResNet(nn.Module):
    """Features e0 at H/2 and e1 … e4; with `last_stride=1` the last stage dilates instead."""

    def __init__(self, inputs: int, depth: int = 34, last_stride: int = 2):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64)
        )
        self.stages = nn.ModuleList()
        before = 64
        for stage, (width, count) in enumerate(zip(WIDTHS, LAYERS[depth], strict=True)):
            stride = 1 if stage == 0 else last_stride if stage == 3 else 2
            dilation = 2 if stage == 3 and last_stride == 1 else 1
            self.stages.append(residual_stage(before, width, count, stride, dilation))
            before = width
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [F.relu(self.stem(image))]
        x = F.max_pool2d(features[0], 3, stride=2, padding=1)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
