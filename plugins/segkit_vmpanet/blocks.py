"""The blocks of VMPANet, small to large, after the paper's equations 1 to 21."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn import VSSBlock


def conv(kernel: int, inputs: int, outputs: int, groups: int = 1) -> nn.Conv2d:
    """Cv: stride 1, same size, with bias."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


def conv_norm(kernel: int, inputs: int, outputs: int, groups: int = 1) -> nn.Sequential:
    """CB: convolution and batch norm."""
    return nn.Sequential(conv(kernel, inputs, outputs, groups), nn.BatchNorm2d(outputs))


def conv_norm_relu(kernel: int, inputs: int, outputs: int, groups: int = 1) -> nn.Sequential:
    """CBR: convolution, batch norm, ReLU."""
    return conv_norm(kernel, inputs, outputs, groups).append(nn.ReLU())


def upsample(factor: int) -> nn.Module:
    """Bilinear with aligned corners; a module, because the paper's counter only sees modules."""
    if factor == 1:
        return nn.Identity()
    return nn.Upsample(scale_factor=float(factor), mode="bilinear", align_corners=True)


class GlobalBranch(nn.Module):
    """The visual-Mamba block on (B,C,H,W)."""

    def __init__(self, channels: int, d_state: int, expand: int):
        super().__init__()
        self.vss = VSSBlock(channels, d_state, expand, norm_eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.vss(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LocalPrompt(nn.Module):
    """BN(p1): one map learned from the local features (equation 3), batch normalised."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = conv(1, channels, 1)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.conv(features))


class GlobalPrompt(nn.Module):
    """LN(p2): one map learned from the global features, normalised over its positions.

    GroupNorm(1, 1) is that norm. A LayerNorm over the one channel would return its bias everywhere.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = conv(1, channels, 1)
        self.norm = nn.GroupNorm(1, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.conv(features))


class EdgeEnhancement(nn.Module):
    """EE: what a large-kernel context smooths away is an edge; it gates the input."""

    def __init__(self, channels: int, pointwise: bool = True):
        super().__init__()
        self.context = conv_norm(7, channels, channels, groups=channels)
        self.pointwise = conv_norm(1, channels, channels) if pointwise else None
        self.smooth = nn.AvgPool2d(3, stride=1, padding=1)  # padded zeros are counted
        self.gate = conv_norm(1, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        context = self.context(x)
        if self.pointwise is not None:
            context = self.pointwise(context)
        difference = x - self.smooth(context)
        return self.gate(difference).sigmoid() * x + x


class SpatialAttention(nn.Module):
    """SA: one weight per position."""

    def __init__(self, channels: int):
        super().__init__()
        self.large = conv_norm(7, channels, channels, groups=channels)
        self.small = conv_norm_relu(3, channels, channels, groups=channels)
        self.gate = conv_norm(1, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.small(self.large(x))).sigmoid() * x + x


class ChannelAttention(nn.Module):
    """CA: one weight per channel from the maxima; no norm, so that one image can train."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv(1, channels, channels)
        self.second = conv(1, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        peak = F.adaptive_max_pool2d(x, 1)
        return self.second(self.first(peak).relu()).sigmoid() * x + x


class MultiScaleConv(nn.Module):
    """Equations 5 and 6: four kernel sizes, a quarter of the channels each, joined."""

    def __init__(self, channels: int, kernels: tuple[int, ...]):
        super().__init__()
        quarter = channels // 4
        self.scales = nn.ModuleList(
            conv_norm_relu(kernel, channels, quarter, groups=quarter).extend(
                conv_norm(1, quarter, quarter)
            )
            for kernel in kernels
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([scale(x) for scale in self.scales], dim=1)


class Embedding(nn.Module):
    """Equation 7: a depthwise 3x3 and a 1x1 over the joined scales."""

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = conv_norm_relu(3, channels, channels, groups=channels)
        self.pointwise = conv_norm(1, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class CrossAttentionFusion(nn.Module):
    """CAF (equations 16 to 21): C x C attention between deep and skip features, which it fuses."""

    def __init__(self, deep: int, channels: int, softmax: str = "row"):
        super().__init__()
        self.up = upsample(2)
        self.query = conv_norm(1, deep, channels)
        self.key = conv_norm(1, channels, channels)
        self.softmax = nn.Softmax(dim=-1)
        self.flat = softmax == "flat"
        self.fuse = conv_norm_relu(1, channels, channels)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        query = self.query(self.up(deep)).flatten(2)  # B,C,N
        key = self.key(skip).flatten(2)
        fused = cross_attention(query, key, self._normalise)
        return self.fuse(fused.view_as(skip))

    def _normalise(self, scores: Tensor) -> Tensor:
        if not self.flat:
            return self.softmax(scores)
        return self.softmax(scores.flatten(1)).view_as(scores)


def cross_attention(query: Tensor, key: Tensor, softmax: Callable[[Tensor], Tensor]) -> Tensor:
    """A = softmax(Q K^T / sqrt(N)); (A Q + Q) + (A K + K), for Q and K (B,C,N)."""
    # scaled before the product: a sum over N in float16 would overflow
    attention = softmax((query * query.shape[-1] ** -0.5) @ key.transpose(1, 2))  # B,C,C
    return (attention @ query + query) + (attention @ key + key)


class SumFusion(nn.Module):
    """In place of CAF: the deep features, upsampled and narrowed, plus the skip."""

    def __init__(self, deep: int, channels: int):
        super().__init__()
        self.up = upsample(2)
        self.conv = conv_norm(1, deep, channels)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        return self.conv(self.up(deep)) + skip
