"""The published 2.60 G, counted the way it was: fvcore's operations plus fvcore's activations.

Operations: multiply-adds of convolutions, linear layers and matrix products (positions included, as
one product per level), 2 per value of a batch norm, 5 of a layer norm, 4 of a bilinear and 1 of a
nearest resize. Softmax, SiLU, GELU and the channel-wise LN2d are unseen. Activations: every value
that a convolution, linear layer or matrix product writes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from segkit_qtseg.attention import LayerNorm2d

aten = torch.ops.aten
_PRODUCTS = {aten.convolution, aten.mm, aten.addmm, aten.bmm, aten.baddbmm}
_RESIZES = {aten.upsample_bilinear2d: 4, aten.upsample_nearest2d: 1}


@dataclass
class Seen:
    """What one forward pass of one image does."""

    macs: int = 0
    activations: int = 0
    others: int = 0  # norms and resizes


class _Watch(TorchDispatchMode):
    """Adds up written values by operator."""

    def __init__(self, seen: Seen):
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in _PRODUCTS:
            self.seen.activations += out.numel()
        self.seen.others += _RESIZES.get(func.overloadpacket, 0) * getattr(out, "numel", int)()
        return out


def count(network: nn.Module, size: tuple[int, int]) -> int:
    """Operations plus activations of one image of `size`, as the paper prints."""
    seen = look(network, size)
    return seen.macs + seen.others + seen.activations


def look(network: nn.Module, size: tuple[int, int]) -> Seen:
    """Run one image of `size` on shapes alone."""
    network = copy.deepcopy(network).to("meta").eval()
    channels = next(network.parameters()).shape[1]
    image, seen = torch.empty(1, channels, *size, device="meta"), Seen()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), _norms(network, seen), counter, _Watch(seen):
        network(image)
    seen.macs = counter.get_total_flops() // 2
    return seen


@contextmanager
def _norms(network: nn.Module, seen: Seen) -> Iterator[None]:
    def rule(each: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.others += each * output.numel()

        return hook

    costs = {nn.BatchNorm2d: 2, nn.LayerNorm: 5}
    modules = [m for m in network.modules() if not isinstance(m, LayerNorm2d)]
    handles = [m.register_forward_hook(rule(costs[type(m)])) for m in modules if type(m) in costs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
