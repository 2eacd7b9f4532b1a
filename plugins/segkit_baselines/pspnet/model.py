"""PSPNet (Zhao et al., 2017): a dilated ResNet-50 with a deep stem, pyramid pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit_baselines.layers import ConvNormAct
from segkit_baselines.pspnet import PSPNetConfig

# mid width, units, stride, dilation of the four stages
STAGES = ((64, 3, 1, 1), (128, 4, 2, 1), (256, 6, 1, 2), (512, 3, 1, 4))
BINS = (1, 2, 3, 6)


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 to four times the width, beside a shortcut."""

    def __init__(self, inputs: int, mid: int, stride: int, dilation: int):
        super().__init__()
        outputs = 4 * mid
        self.conv1, self.bn1 = nn.Conv2d(inputs, mid, 1, bias=False), nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(
            mid, mid, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3, self.bn3 = nn.Conv2d(mid, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class PatientNorm(nn.BatchNorm2d):
    """A batch norm that keeps its running statistics where a channel has one value only."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            mean, var = self.running_mean, self.running_var
            return F.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


class PyramidPooling(nn.Module):
    """The map beside its means over 1, 4, 9 and 36 parts."""

    def __init__(self, inputs: int):
        super().__init__()
        outputs = inputs // len(BINS)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), PatientNorm(outputs), nn.ReLU()
            )
            for _ in BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        means = [level(pool(x, bins)) for level, bins in zip(self.levels, BINS, strict=True)]
        return torch.cat([x, *(_resize(mean, x) for mean in means)], 1)


def pool(x: Tensor, bins: int) -> Tensor:
    """Adaptive average pooling; for a graph of any size as two matrix products."""
    if not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(x, bins)
    return _averages(x.shape[2], bins, x) @ x @ _averages(x.shape[3], bins, x).t()


def _averages(length: int, bins: int, like: Tensor) -> Tensor:
    """(bins, length): row i is the mean from floor(i·L/b) to ceil((i+1)·L/b)."""
    part = torch.arange(bins, device=like.device)[:, None]
    place = torch.arange(length, device=like.device)
    inside = (place >= part * length // bins) & (place * bins < (part + 1) * length)
    inside = inside.to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def _head(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNormAct(inputs, width, bias=False), nn.Dropout2d(0.1), nn.Conv2d(width, classes, 1)
    )


class PSPNet(nn.Module):
    """Features at H/8, pyramid, head; logits resized to the picture."""

    def __init__(self, config: PSPNetConfig):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, 64, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            ConvNormAct(64, 64, bias=False),
            ConvNormAct(64, 128, bias=False),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        before = 128
        for mid, units, stride, dilation in STAGES:
            first = Bottleneck(before, mid, stride, dilation)
            rest = (Bottleneck(4 * mid, mid, 1, dilation) for _ in range(units - 1))
            self.stages.append(nn.Sequential(first, *rest))
            before = 4 * mid
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.pyramid = PyramidPooling(before)
        self.head = _head(2 * before, 512, config.num_classes)
        if config.auxiliary:
            self.auxiliary = _head(before // 2, 256, config.num_classes)
            self.forward_aux = self._with_auxiliary

    def forward(self, image: Tensor) -> Tensor:
        return self._logits(self._features(image)[3], image)

    def _with_auxiliary(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and those of the third stage at H/8."""
        features = self._features(image)
        return self._logits(features[3], image), self.auxiliary(features[2])

    def _features(self, image: Tensor) -> list[Tensor]:
        x, features = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def _logits(self, deepest: Tensor, image: Tensor) -> Tensor:
        return _resize(self.head(self.pyramid(deepest)), image)
