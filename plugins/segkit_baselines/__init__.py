"""The control group: the networks that a reader expects in the table, one file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper


@dataclass(frozen=True)
class UNetConfig:
    """U-Net: `width` channels at full size, doubled at each of `levels` − 1 poolings."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 16
    levels: int = 5
    up: Literal["bilinear", "transposed"] = "bilinear"

    def __post_init__(self) -> None:
        if self.width < 1 or not 2 <= self.levels <= 7:
            raise ValueError("width must be positive and levels between 2 and 7")


UNET = Architecture(
    name="unet",
    summary="U-Net with batch norm: the yardstick (width 16, 32 or 64).",
    make="segkit_baselines.unet:UNet",
    config=UNetConfig,
    paper=Paper(
        "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        "Ronneberger, Fischer and Brox",
        2015,
        "MICCAI",
        "https://arxiv.org/abs/1505.04597",
    ),
    size=(256, 256),
    multiple=16,
    min_train_size=32,
    params=1_812_017,
    recipes={"quick": "segkit_baselines:unet_quick.toml"},
)
