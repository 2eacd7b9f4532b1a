"""Swin-UMamba: Mamba-based UNet with ImageNet-based pretraining.

Liu, Yang, Zhou, Xi, Yu, Li, Liang, Shi, Yu, Zhang, Zheng and Wang, MICCAI 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, vmamba


@dataclass(frozen=True)
class SwinUMambaConfig:
    """`drop_path` is the highest rate of the encoder."""

    in_channels: int = 3
    num_classes: int = 1
    drop_path: float = 0.2


FROM_VMAMBA = vmamba("encoder.", "stages")

ARCHITECTURE = Architecture(
    name="swin_umamba",
    summary="A VMamba-tiny encoder and a residual convolutional decoder: 60 M parameters.",
    make="segkit_baselines.swin_umamba.model:SwinUMamba",
    config=SwinUMambaConfig,
    paper=Paper(
        "Swin-UMamba: Mamba-based UNet with ImageNet-based pretraining",
        "Liu et al.",
        2024,
        "MICCAI",
        "https://arxiv.org/abs/2402.03302",
    ),
    published=Published(),
    params=59_885_620,
    starts={"vmamba_t": "segkit_baselines.swin_umamba:FROM_VMAMBA"},
    weights="segkit_baselines.swin_umamba.released:LAYOUT",
    recipes={
        "paper": "segkit_baselines.swin_umamba:paper.toml",
        **LIGHT,
    },
    notes=(
        "four heads exist always; without deep supervision only the first is trained",
        "published runs start from VMamba-T weights (train --init vmamba_t)",
        "the lighter variant D, with a patch-expanding decoder, is not here",
    ),
)
