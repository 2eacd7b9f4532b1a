"""What encoder and bridge are made of: convolution, batch norm, SiLU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.formulas import as_written


class ConvBnAct(nn.Module):
    """SiLU(BN(conv(x))), size kept at stride 1; evaluation folds the norm into the convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, eps: float = 1e-5):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        if folds(self.bn):
            weight, bias = fold(self.conv.weight, self.bn, channel=0)
            y = F.conv2d(x, weight, bias, self.conv.stride, self.conv.padding)
            return F.silu(y, inplace=True)
        return F.silu(self.bn(self.conv(x)))


class UpBnAct(nn.Module):
    """SiLU(BN(transposed conv(x))) that enlarges by `factor`."""

    def __init__(self, inputs: int, outputs: int, factor: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, factor, stride=factor, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        if folds(self.bn):
            weight, bias = fold(self.conv.weight, self.bn, channel=1)
            y = F.conv_transpose2d(x, weight, bias, self.conv.stride)
            return F.silu(y, inplace=True)
        return F.silu(self.bn(self.conv(x)))


def folds(bn: nn.BatchNorm2d) -> bool:
    """Whether the norm is a fixed scale and shift now, and nobody wants its gradient."""
    return not (bn.training or torch.is_grad_enabled() or as_written())


def fold(weight: Tensor, bn: nn.BatchNorm2d, channel: int) -> tuple[Tensor, Tensor]:
    """The convolution with `bn` inside: weight and bias; `channel` is its output dimension."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    shape = [1] * weight.dim()
    shape[channel] = -1
    return weight * scale.view(shape), bn.bias - bn.running_mean * scale
