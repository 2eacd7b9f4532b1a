"""The published 1.159 G, counted the way it was: thop's rules, per module call, all five heads.

Convolutions without bias and linear layers in multiply-accumulates, four operations per value of an
affine batch or layer norm, one per average-pooled value, eleven per bilinearly upsampled value,
3n - 1 per softmax over n. Bare parameters and functional work (the scan, its projections, matrix
products) count nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segkit_vmpanet.model import VMPANet


def count(network: VMPANet, size: tuple[int, int]) -> int:
    """Operations of one image of `size` by the paper's counter."""
    return sum(count_modules(network, size).values())


def count_modules(network: VMPANet, size: tuple[int, int]) -> dict[str, int]:
    """The same by kind of module."""
    totals: dict[str, int] = {}

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        for kind, operations in _RULES[type(module)](module, inputs[0], output).items():
            totals[kind] = totals.get(kind, 0) + operations

    hooks = [
        module.register_forward_hook(hook) for module in network.modules() if type(module) in _RULES
    ]
    was_training, parameter = network.training, next(network.parameters())
    try:
        with torch.no_grad():
            network.eval().forward_aux(parameter.new_zeros(1, network.config.in_channels, *size))
    finally:
        network.train(was_training)
        for handle in hooks:
            handle.remove()
    return totals


Rule = Callable[[nn.Module, Tensor, Tensor], dict[str, int]]


def _per_value(kind: str, cost: int) -> Rule:
    return lambda module, x, output: {kind: cost * output.numel()}


def _conv(module: nn.Module, x: Tensor, output: Tensor) -> dict[str, int]:
    assert isinstance(module, nn.Conv2d)
    return {"conv": output.numel() * module.weight[0].numel()}


def _linear(module: nn.Module, x: Tensor, output: Tensor) -> dict[str, int]:
    return {"linear": output.numel() * x.shape[-1]}


def _softmax(module: nn.Module, x: Tensor, output: Tensor) -> dict[str, int]:
    n = x.shape[-1]
    return {"softmax": x.numel() // n * (3 * n - 1)}


_RULES: dict[type, Rule] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _per_value("batchnorm", 4),
    nn.LayerNorm: _per_value("layernorm", 4),
    nn.AvgPool2d: _per_value("avgpool", 1),
    nn.Upsample: _per_value("upsample", 11),
    nn.Softmax: _softmax,
}
