"""U-Net++ (Zhou et al., DLMIA 2018 and TMI 2020): nested skips, without a pretrained encoder."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, MACS_AND_NORMS


@dataclass(frozen=True)
class UNetPPConfig:
    """`deep_supervision` adds heads on the shorter paths."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 32
    deep_supervision: bool = False


_UNETPP_PAPER = Paper(
    "UNet++: A Nested U-Net Architecture for Medical Image Segmentation",
    "Zhou, Siddiquee, Tajbakhsh and Liang",
    2018,
    "DLMIA",
    "https://arxiv.org/abs/1807.10165",
)


UNETPP = Architecture(
    name="unetpp",
    summary="Nested U-Net of 32 … 512 channels (the original form of U-Net++).",
    make="segkit_baselines.unetpp.model:UNetPP",
    config=UNetPPConfig,
    paper=_UNETPP_PAPER,
    published=Published(9.16, 25.99, "3x192x256", "DermoMamba's table", MACS_AND_NORMS),
    multiple=16,
    params=9_163_329,
    weights="segkit_baselines.unetpp.released:LAYOUTS",
    recipes=LIGHT,
    cards={"unetpp-isic2016": "segkit_baselines.unetpp:card_isic2016.toml"},
)
