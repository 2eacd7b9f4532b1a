"""DeepLabV3+ (Chen et al., ECCV 2018) on a ResNet from scratch, output stride 16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper
from segkit_baselines.facts import LIGHT, torchvision_resnet


@dataclass(frozen=True)
class DeepLabConfig:
    """`depth` of the ResNet (18 or 34), width of pyramid and decoder, dilations."""

    in_channels: int = 3
    num_classes: int = 1
    depth: Literal[18, 34] = 18
    width: int = 256
    rates: tuple[int, ...] = (6, 12, 18)


FROM_RESNET = torchvision_resnet("encoder.stem", "encoder.stages.{}")


DEEPLABV3PLUS = Architecture(
    name="deeplabv3plus",
    summary="DeepLabV3+ on a ResNet-18 from scratch.",
    make="segkit_baselines.deeplabv3plus.model:DeepLabV3Plus",
    config=DeepLabConfig,
    paper=Paper(
        "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation",
        "Chen, Zhu, Papandreou, Schroff and Adam",
        2018,
        "ECCV",
        "https://arxiv.org/abs/1802.02611",
    ),
    multiple=16,
    params=16_603_041,
    recipes=LIGHT,
    cards={"deeplabv3plus-fives": "segkit_baselines.deeplabv3plus:card_fives.toml"},
    notes=("the paper's encoders are Xception and ResNet-101; this one is small on purpose",),
    starts=dict.fromkeys(("resnet18", "resnet34"), "segkit_baselines.deeplabv3plus:FROM_RESNET"),
)
