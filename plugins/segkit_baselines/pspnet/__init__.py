"""Pyramid Scene Parsing Network.

Zhao, Shi, Qi, Wang and Jia, CVPR 2017, 6230-6239.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class PSPNetConfig:
    """`auxiliary` adds the second head, on the third stage, for training."""

    in_channels: int = 3
    num_classes: int = 1
    auxiliary: bool = False


ARCHITECTURE = Architecture(
    name="pspnet",
    summary="A dilated ResNet-50 and pyramid pooling: 47 M parameters.",
    make="segkit_baselines.pspnet.model:PSPNet",
    config=PSPNetConfig,
    paper=Paper(
        "Pyramid Scene Parsing Network",
        "Zhao, Shi, Qi, Wang and Jia",
        2017,
        "CVPR",
        "https://arxiv.org/abs/1612.01105",
    ),
    published=Published(),
    size=(512, 512),
    multiple=1,
    params=46_706_113,
    weights="segkit_baselines.pspnet.released:LAYOUT",
    recipes={
        "paper": "segkit_baselines.pspnet:paper.toml",
        **LIGHT,
    },
    cards={"pspnet-fives": "segkit_baselines.pspnet:card_fives.toml"},
    notes=(
        "with the auxiliary head 49,066,178 parameters",
        "the row of QTSeg's Table II very probably stems from another form: ResNet-152, a fusion "
        "to 512 channels, random start",
        "in training, a pyramid level of one value per channel keeps its running statistics",
    ),
)
