"""Convolutions done cheaper: batch norm inside the one before it, 1x1 as a matrix product.

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
        return bn(convolve(conv, x))
    return _convolve(conv, x, *fold(conv.weight, conv.bias, bn))


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """conv(x); a 1x1 on a channels-last map is one matrix product without any copy."""
    return _convolve(conv, x, conv.weight, conv.bias)


def _convolve(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    point = conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1
    plain = as_written() or torch.compiler.is_exporting()  # a runtime lays out maps by itself
    if point and not plain and x.is_contiguous(memory_format=torch.channels_last):
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def conv_transposed_bn(conv: nn.ConvTranspose2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """bn(conv(x)) of a transposed convolution without padding."""
    if not folds(bn):
        return bn(conv(x))
    weight, bias = fold(conv.weight, conv.bias, bn, channel=1)
    return F.conv_transpose2d(x, weight, bias, conv.stride)
