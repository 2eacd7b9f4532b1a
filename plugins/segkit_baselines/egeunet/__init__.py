"""EGE-UNet (Ruan, Xie, Gao, Liu and Fu, MICCAI 2023): Hadamard products and group aggregation."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class EGEUNetConfig:
    """There are no other settings: the widths are the published ones."""

    in_channels: int = 3
    num_classes: int = 1


EGEUNET = Architecture(
    name="egeunet",
    summary="Hadamard products over learned maps, grouped skips: 0.05 M parameters.",
    make="segkit_baselines.egeunet.model:EGEUNet",
    config=EGEUNetConfig,
    paper=Paper(
        "EGE-UNet: an Efficient Group Enhanced UNet for skin lesion segmentation",
        "Ruan, Xie, Gao, Liu and Fu",
        2023,
        "MICCAI",
        "https://doi.org/10.1007/978-3-031-43901-8_46",
    ),
    published=Published(0.053, 0.072, AT_256, "the paper", MACS),
    params=53_374,
    weights="segkit_baselines.egeunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.egeunet:paper.toml", **LIGHT},
    cards={"egeunet-isic2016": "segkit_baselines.egeunet:card_isic2016.toml"},
)
