"""The published 0.97 G, counted the way it was: fvcore's rules, blind to string padding and scan.

Multiply-accumulates of convolutions (those that the released code declares with padding="same" are
unseen), linear layers and the scan's projections, five operations per value of a layer or instance
norm, two per value of a batch norm, one per upsampled value.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segkit.nn import SS2D
from segkit_dermomamba.blocks import AxialConv, ChannelAttention, ResidualMamba
from segkit_dermomamba.model import DecoderStage, DermoMamba, EncoderStage

_SAME = (AxialConv, ResidualMamba, EncoderStage, DecoderStage, ChannelAttention)


def count(network: DermoMamba, size: tuple[int, int]) -> int:
    """Operations of one image of `size` by the paper's counter."""
    total = 0

    def add(rule: Callable[..., int]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal total
            total += rule(module, inputs, output)

        return hook

    hooks = [module.register_forward_hook(add(rule)) for module, rule in _rules(network)]
    was_training, parameter = network.training, next(network.parameters())
    image = parameter.new_zeros(1, network.config.in_channels, *size)
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def _rules(network: nn.Module) -> list[tuple[nn.Module, Callable[..., int]]]:
    """Each counted module with its rule."""
    unseen = {
        conv
        for part in network.modules()
        if isinstance(part, _SAME)
        for conv in part.children()
        if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1)
    }
    return [
        (module, _RULES[type(module)])
        for module in network.modules()
        if type(module) in _RULES and module not in unseen
    ]


def _conv(module: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    return output.numel() * module.weight[0].numel()


def _linear(module: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    return output.numel() * module.in_features


def _per_value(cost: int) -> Callable[..., int]:
    return lambda module, inputs, output: cost * output.numel()


def _decoder(module: DecoderStage, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    return inputs[0].numel() * 4  # the upsampled values


def _ss2d(module: SS2D, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    """The scan's projections of every token; its layers are modules with rules of their own."""
    tokens = output.numel() // output.shape[-1]
    return tokens * (module.x_proj_weight.numel() + module.dt_projs_weight.numel())


_RULES: dict[type, Callable[..., int]] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _per_value(2),
    nn.InstanceNorm2d: _per_value(5),
    nn.LayerNorm: _per_value(5),
    DecoderStage: _decoder,
    SS2D: _ss2d,
}
