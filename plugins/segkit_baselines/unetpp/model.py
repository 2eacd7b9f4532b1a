"""U-Net++ (Zhou et al., DLMIA 2018 and TMI 2020): nested skips, without a pretrained encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.nn.padding import run_padded
from segkit_baselines.attunet.model import DoubleConv
from segkit_baselines.layers import double, pointwise
from segkit_baselines.unetpp import UNetPPConfig

DEPTH = 5


class UNetPP(nn.Module):
    """Node (i, j) joins the row's earlier nodes with the upsampled node below."""

    def __init__(self, config: UNetPPConfig):
        super().__init__()
        widths = [config.width * 2**level for level in range(DEPTH)]
        inputs = [config.in_channels, *widths]
        self.nodes = nn.ModuleDict()
        for j in range(DEPTH):
            for i in range(DEPTH - j):
                wide = inputs[i] if j == 0 else j * widths[i] + widths[i + 1]
                self.nodes[f"x{i}{j}"] = DoubleConv(wide, widths[i])
        heads = DEPTH - 1 if config.deep_supervision else 1
        self.heads = nn.ModuleList(pointwise(widths[0], config.num_classes) for _ in range(heads))

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(lambda x: self.heads[-1](self.top_row(x)[-1]), image, 16)

    def forward_aux(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of the last node, then (deep supervision) of the shorter paths."""
        return run_padded(self.all_logits, image, 16)

    def all_logits(self, image: Tensor) -> tuple[Tensor, ...]:
        """Sides are multiples of 16; the longest path first."""
        last_nodes = self.top_row(image)[-len(self.heads) :]
        return tuple(h(node) for h, node in zip(self.heads, last_nodes, strict=True))[::-1]

    def top_row(self, image: Tensor) -> list[Tensor]:
        """Nodes (0, 1) … (0, 4)."""
        rows: list[list[Tensor]] = []
        for i in range(DEPTH):
            below = F.max_pool2d(rows[i - 1][0], 2) if i else image
            rows.append([self.nodes[f"x{i}0"](below)])
        for j in range(1, DEPTH):
            for i in range(DEPTH - j):
                joined = torch.cat([*rows[i], double(rows[i + 1][j - 1])], 1)
                rows[i].append(self.nodes[f"x{i}{j}"](joined))
        return rows[0][1:]
