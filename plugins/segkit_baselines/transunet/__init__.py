"""TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation.

Chen, Lu, Yu, Luo, Adeli, Wang, Lu, Yuille and Zhou, arXiv 2102.04306 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, MACS


@dataclass(frozen=True)
class TransUNetConfig:
    """`grid`: rows and columns of the position table, 1/16 of the training size."""

    in_channels: int = 3
    num_classes: int = 1
    grid: tuple[int, int] = (14, 14)


ARCHITECTURE = Architecture(
    name="transunet",
    summary="A group-norm ResNet-50 feeds a ViT-B/16; a convolutional decoder: 105 M parameters.",
    make="segkit_baselines.transunet.model:TransUNet",
    config=TransUNetConfig,
    paper=Paper(
        "TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation",
        "Chen et al.",
        2021,
        "arXiv",
        "https://arxiv.org/abs/2102.04306",
    ),
    published=Published(
        105.32,
        38.52,
        "3x256x256",
        "later papers' tables",
        MACS,
    ),
    size=(224, 224),
    multiple=16,
    params=105_275_921,
    no_decay=("position",),
    starts={"r50_vit_b16_in21k": "segkit_baselines.transunet.released:from_arrays"},
    weights="segkit_baselines.transunet.layout:LAYOUT",
    recipes={
        "paper": "segkit_baselines.transunet:paper.toml",
        **LIGHT,
    },
    cards={"transunet-isic2016": "segkit_baselines.transunet:card_isic2016.toml"},
    notes=(
        "published runs start from ImageNet-21k weights (train --init r50_vit_b16_in21k); "
        "from scratch is another experiment",
        "grey pictures are repeated to three channels upstream; here in_channels=1 is one channel",
        "the position table is resampled, corners aligned, where a picture has another grid",
    ),
)
