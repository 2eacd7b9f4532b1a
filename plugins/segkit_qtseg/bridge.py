"""Multi-level feature distribution (MLFD): each level receives a part of every other level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit_qtseg.layers import ConvBnAct, UpBnAct


class MLFD(nn.Module):
    """(P3, P4, P5) -> (F0, F1, F2) of the same shapes: half of a level's channels are its own."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.levels = len(widths)
        for target, outputs in enumerate(widths):
            for source, inputs in enumerate(widths):
                neck = _neck(inputs, outputs, target, source)
                self.add_module(f"neck_{target}_{source}", neck)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            torch.cat([self._sent(source, target, x) for source, x in enumerate(maps)], dim=1)
            for target in range(self.levels)
        )

    def _sent(self, source: int, target: int, x: Tensor) -> Tensor:
        sent: Tensor = self.get_submodule(f"neck_{target}_{source}")(x)
        return sent


def _neck(inputs: int, outputs: int, target: int, source: int) -> nn.Module:
    if target == source:
        return ConvBnAct(inputs, outputs // 2, 1)
    if source < target:  # down: kernel 3 also at stride 4, which skips pixels
        return ConvBnAct(inputs, outputs // 4, 3, stride=2 ** (target - source))
    return UpBnAct(inputs, outputs // 4, factor=2 ** (source - target))
