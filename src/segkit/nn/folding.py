"""Batch norm inside the convolution before it: one pass over the map instead of two.

Weights are folded at each call (a few million multiplications at most), so nothing can be stale,
and only where the norm is a fixed scale and shift: evaluation, without gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.nn.formulas import as_written


def folds(bn: nn.BatchNorm2d) -> bool:
    """Whether the norm is a fixed scale and shift now, and nobody wants its gradient."""
    return not (bn.training or torch.is_grad_enabled() or as_written())


def fold(
    weight: Tensor, bias: Tensor | None, bn: nn.BatchNorm2d, channel: int = 0
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with `bn` inside; `channel` is its output dimension."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    shape = [1] * weight.dim()
    shape[channel] = -1
    start = bn.running_mean if bias is None else bn.running_mean - bias
    return weight * scale.view(shape), bn.bias - start * scale


def conv_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """bn(conv(x))."""
    if not folds(bn):
        return bn(conv(x))
    weight, bias = fold(conv.weight, conv.bias, bn)
    return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def conv_transposed_bn(conv: nn.ConvTranspose2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """bn(conv(x)) of a transposed convolution without padding."""
    if not folds(bn):
        return bn(conv(x))
    weight, bias = fold(conv.weight, conv.bias, bn, channel=1)
    return F.conv_transpose2d(x, weight, bias, conv.stride)
