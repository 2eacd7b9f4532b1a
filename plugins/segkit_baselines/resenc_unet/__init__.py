"""A 2-D residual-encoder U-Net in nnU-Net's manner (Isensee et al., 2021 and MICCAI 2024)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class ResEncConfig:
    """`stages` by nnU-Net's rule for the size: 5 at 64, 6 at 128 … 224, 7 at 256, 8 at 512."""

    in_channels: int = 3
    num_classes: int = 1
    stages: int = 7
    plain: bool = False

    def __post_init__(self) -> None:
        if not 3 <= self.stages <= 8:
            raise ValueError("stages must be between 3 and 8")


RESENC_UNET = Architecture(
    name="resenc_unet",
    summary="Residual-encoder U-Net in nnU-Net's manner, instance norm, deep supervision.",
    make="segkit_baselines.resenc_unet.model:ResEncUNet",
    config=ResEncConfig,
    paper=Paper(
        "nnU-Net Revisited: A Call for Rigorous Validation in 3D Medical Image Segmentation",
        "Isensee et al.",
        2024,
        "MICCAI",
        "https://arxiv.org/abs/2404.09556",
    ),
    multiple=64,
    min_train_size=128,
    params=105_915_878,
    weights="segkit_baselines.resenc_unet.released:LAYOUT",
    recipes={"nnunet": "segkit_baselines.resenc_unet:nnunet.toml", **LIGHT},
    notes=("no 2-D parameter count was published; stages follow nnU-Net's rule for 256x256",),
)
