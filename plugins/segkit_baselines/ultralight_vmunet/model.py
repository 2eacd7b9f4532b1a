"""UltraLight VM-UNet (Wu, Liu, Ning, Liang and Chang, Patterns 2025): one Mamba for four groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.nn.mamba1d import Mamba1d
from segkit_baselines.layers import init_light
from segkit_baselines.six_stage import SCAB, SixStages
from segkit_baselines.ultralight_vmunet import UltraLightConfig


class PVM(nn.Module):
    """Four quarters of the channels pass one Mamba side by side, along the rows."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.mamba = Mamba1d(inputs // 4)
        self.skip_scale = nn.Parameter(torch.ones(1))
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        tokens = self.norm(x.flatten(2).transpose(1, 2))  # (B, N, C)
        quarters = torch.cat(tokens.chunk(4, dim=-1))  # (4B, N, C/4): one scan for all
        passed = self.mamba(quarters) + self.skip_scale * quarters
        # no chunks of the batch: of a free size, they become a sequence that ONNX cannot fold
        joined = passed.unflatten(0, (4, -1)).permute(1, 2, 0, 3).flatten(2)  # (B, N, C)
        return self.proj(self.norm(joined)).transpose(1, 2).unflatten(2, (height, width))


class UltraLightVMUNet(SixStages):
    """The six-stage skeleton with PVM blocks and MALUNet's bridge."""

    def __init__(self, config: UltraLightConfig):
        super().__init__(config.in_channels, config.num_classes, [PVM] * 3, [PVM] * 3, SCAB())
        init_light(self)
        if config.init == "proper":
            # the published loop overwrites the step sizes' bias; this brings the usual one back
            for module in self.modules():
                if isinstance(module, Mamba1d):
                    module.reset_scan_parameters()
