"""MET-Net: a CNN and a transformer branch fused for lesion segmentation.

Iqbal and Sharif, Engineering Applications of Artificial Intelligence 127:107292 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, torchvision_resnet


@dataclass(frozen=True)
class METNetConfig:
    """MET-Net has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


FROM_RESNET = torchvision_resnet("cnn.stem", "cnn.stages.{}")

ARCHITECTURE = Architecture(
    name="met_net",
    summary="ResNet-18 and DeiT-tiny fused at 1/16, a light decoder: 19 M parameters.",
    make="segkit_baselines.met_net.model:METNet",
    config=METNetConfig,
    paper=Paper(
        "MET-Net",
        "Iqbal and Sharif",
        2024,
        "Engineering Applications of Artificial Intelligence 127:107292",
        "https://doi.org/10.1016/j.engappai.2023.107292",
    ),
    published=Published(
        18.65,
        15.60,
        "3x224x224",
        "QTSeg's Table I",
        "multiply-adds, norms counted in",
    ),
    size=(224, 224),
    multiple=16,
    params=18_650_497,
    starts={"resnet18": "segkit_baselines.met_net:FROM_RESNET"},
    recipes={
        "paper": "segkit_baselines.met_net:paper.toml",
        **LIGHT,
    },
    cards={"met-net-isic2016": "segkit_baselines.met_net:card_isic2016.toml"},
    notes=(
        "dead as released, kept for the count, without gradient: a decoder block of 4,640",
        "published runs start from a ResNet-18 (train --init resnet18) and a DeiT-tiny",
    ),
)
