"""Does the scan earn its cost? The same network with every selective scan replaced.

The block keeps its projections, its short convolution, its norm and its gate; only the scan goes:

* `conv`: a depth-wise convolution with as many parameters per channel as the scan had. Along the
  tokens for the plain Mamba block (exactly as many), over the plane for SS2D (the nearest odd
  square). It begins as the scan does: near the identity, whose tap stands for the skip D = 1.
* `identity`: nothing in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.errors import UsageError
from segkit.nn.mamba1d import Mamba1d
from segkit.nn.ss2d import DIRECTIONS, SS2D
from segkit.ops import causal_conv1d

KINDS = ("conv", "identity")


class Twin1d(nn.Module):
    """Mamba1d without its scan: (B, L, C) to the same shape."""

    def __init__(self, block: Mamba1d, kind: str):
        super().__init__()
        self.in_proj, self.conv1d, self.out_proj = block.in_proj, block.conv1d, block.out_proj
        taps = 2 * block.rank + 3 * block.state + 1  # and a bias: the scan's count, an odd number
        self.mixer = depthwise(nn.Conv1d, block.D.numel(), taps) if kind == "conv" else None

    def forward(self, tokens: Tensor) -> Tensor:
        x, z = self.in_proj(tokens).transpose(1, 2).chunk(2, dim=1)  # each (B, D, L)
        x = causal_conv1d(x, self.conv1d.weight, self.conv1d.bias)
        y = x if self.mixer is None else self.mixer(x)
        return self.out_proj((y * F.silu(z)).transpose(1, 2))


class Twin2d(nn.Module):
    """SS2D without its scan: (B, H, W, C) to the same shape."""

    def __init__(self, block: SS2D, kind: str):
        super().__init__()
        self.in_proj, self.conv2d = block.in_proj, block.conv2d
        self.out_norm, self.out_proj = block.out_norm, block.out_proj
        inner, state = block.conv2d.out_channels, block.A_logs.shape[1]
        rank = block.dt_projs_weight.shape[2]
        side = nearest_odd_side(DIRECTIONS * (2 * rank + 3 * state + 2) - 1)
        self.mixer = depthwise(nn.Conv2d, inner, side) if kind == "conv" else None

    def forward(self, x: Tensor) -> Tensor:
        a, z = self.in_proj(x).chunk(2, dim=-1)  # each (B, H, W, D)
        a = F.silu(self.conv2d(a.permute(0, 3, 1, 2)))
        y = a if self.mixer is None else self.mixer(a)
        return self.out_proj(self.out_norm(y.permute(0, 2, 3, 1)) * F.silu(z))


def depthwise(kind: type[nn.Conv1d] | type[nn.Conv2d], channels: int, side: int) -> nn.Module:
    """An odd depth-wise convolution of the same size, near the identity."""
    made = kind(channels, channels, side, padding=side // 2, groups=channels)
    with torch.no_grad():
        taps = made.weight.view(channels, -1)  # row by row: the middle one is in the middle
        taps[:, taps.shape[1] // 2] += 1.0
    return made


def nearest_odd_side(taps: int) -> int:
    """The odd side whose square is nearest to a number of taps."""
    return min(range(1, 64, 2), key=lambda side: abs(side * side - taps))


def replace_scans(network: nn.Module, kind: str) -> nn.Module:
    """The network with every state-space block's scan replaced, in place."""
    many = _replace(network, kind)
    if not many:
        name = type(network).__name__
        raise UsageError(
            f"{name} has no state-space block of segkit.nn", "there is no scan to replace"
        )
    return network


def _replace(module: nn.Module, kind: str) -> int:
    many = 0
    for name, child in module.named_children():
        if isinstance(child, Mamba1d):
            setattr(module, name, Twin1d(child, kind))
        elif isinstance(child, SS2D):
            setattr(module, name, Twin2d(child, kind))
        else:
            many += _replace(child, kind)
            continue
        many += 1
    return many
