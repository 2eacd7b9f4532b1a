"""U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), with batch norm and padded convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper
from segkit_baselines.facts import LIGHT


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
    make="segkit_baselines.unet.model:UNet",
    config=UNetConfig,
    paper=Paper(
        "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        "Ronneberger, Fischer and Brox",
        2015,
        "MICCAI",
        "https://arxiv.org/abs/1505.04597",
    ),
    multiple=16,
    min_train_size=32,
    params=1_812_017,
    recipes={"quick": "segkit_baselines.unet:quick.toml", **LIGHT},
    cards={"unet-isic2016": "segkit_baselines.unet:card_isic2016.toml"},
)
