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
    for _, kind, operations in _calls(network, size):
        totals[kind] = totals.get(kind, 0) + operations
    return totals


def count_parts(network: VMPANet, size: tuple[int, int]) -> dict[str, int]:
    """The same by encoder, decoder, fusion and head: {"encoders.0": …}."""
    totals: dict[str, int] = {}
    for name, _, operations in _calls(network, size):
        part = ".".join(name.split(".")[:2])
        totals[part] = totals.get(part, 0) + operations
    return totals


def _calls(network: VMPANet, size: tuple[int, int]) -> list[tuple[str, str, int]]:
    """Name, kind and operations of every counted module call of `forward_aux`."""
    calls: list[tuple[str, str, int]] = []

    def recorder(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            kind, rule = _RULES[type(module)]
            calls.append((name, kind, rule(module, inputs[0], output)))

        return hook

    counted = [(name, m) for name, m in network.named_modules() if type(m) in _RULES]
    hooks = [module.register_forward_hook(recorder(name)) for name, module in counted]
    was_training, parameter = network.training, next(network.parameters())
    try:
        with torch.no_grad():
            network.eval().forward_aux(parameter.new_zeros(1, network.config.in_channels, *size))
    finally:
        network.train(was_training)
        for handle in hooks:
            handle.remove()
    return calls


Rule = Callable[[nn.Module, Tensor, Tensor], int]


def _per_value(cost: int) -> Rule:
    return lambda module, x, output: cost * output.numel()


def _conv(module: nn.Module, x: Tensor, output: Tensor) -> int:
    assert isinstance(module, nn.Conv2d)
    return output.numel() * module.weight[0].numel()


def _linear(module: nn.Module, x: Tensor, output: Tensor) -> int:
    return output.numel() * x.shape[-1]


def _softmax(module: nn.Module, x: Tensor, output: Tensor) -> int:
    n = x.shape[-1]
    return x.numel() // n * (3 * n - 1)


_RULES: dict[type, tuple[str, Rule]] = {
    nn.Conv2d: ("conv", _conv),
    nn.Linear: ("linear", _linear),
    nn.BatchNorm2d: ("batchnorm", _per_value(4)),
    nn.LayerNorm: ("layernorm", _per_value(4)),
    nn.AvgPool2d: ("avgpool", _per_value(1)),
    nn.Upsample: ("upsample", _per_value(11)),
    nn.Softmax: ("softmax", _softmax),
}
