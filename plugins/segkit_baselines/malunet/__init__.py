"""MALUNet (Ruan, Xiang, Xie, Liu and Fu, BIBM 2022): attention modules on six narrow stages."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class MALUNetConfig:
    """There are no other settings: the widths are the published ones."""

    in_channels: int = 3
    num_classes: int = 1


MALUNET = Architecture(
    name="malunet",
    summary="Dilated gated attention and external attention: 0.18 M parameters.",
    make="segkit_baselines.malunet.model:MALUNet",
    config=MALUNetConfig,
    paper=Paper(
        "MALUNet: A Multi-Attention and Light-weight UNet for Skin Lesion Segmentation",
        "Ruan, Xiang, Xie, Liu and Fu",
        2022,
        "IEEE BIBM",
        "https://arxiv.org/abs/2211.01784",
    ),
    published=Published(0.177, 0.083, AT_256, "the paper, from its ratios to U-Net", MACS),
    params=177_943,
    weights="segkit_baselines.malunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.malunet:paper.toml", **LIGHT},
    cards={"malunet-isic2016": "segkit_baselines.malunet:card_isic2016.toml"},
)
