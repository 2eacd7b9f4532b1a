"""H2Former: An Efficient Hierarchical Hybrid Transformer for Medical Image Segmentation.

He, Wang, Li, Du, Xiang and Fu, IEEE Transactions on Medical Imaging 42(9):2763-2775 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, torchvision_resnet


@dataclass(frozen=True)
class H2FormerConfig:
    """`window`: 1/16 of the training size, at every stage; 16 fits 256, 32 fits 512 pixels."""

    in_channels: int = 3
    num_classes: int = 1
    window: int = 16
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ValueError("window must be 2 or more")


FROM_RESNET = torchvision_resnet("stem", "stages.{}.residual")

ARCHITECTURE = Architecture(
    name="h2former",
    summary="ResNet-34 stages and Swin blocks by turns: 34 M parameters.",
    make="segkit_baselines.h2former.model:H2Former",
    config=H2FormerConfig,
    paper=Paper(
        "H2Former: An Efficient Hierarchical Hybrid Transformer for Medical Image Segmentation",
        "He et al.",
        2023,
        "IEEE TMI",
        "https://doi.org/10.1109/TMI.2023.3264513",
    ),
    published=Published(
        33.71,
        33.56,
        "fits 4x256x256",
        "the paper",
        "its script prints a profiler's multiply-adds plus activation counts",
    ),
    multiple=256,
    params=33_692_576,
    no_decay=("table",),
    starts={"resnet34": "segkit_baselines.h2former:FROM_RESNET"},
    weights="segkit_baselines.h2former.released:LAYOUT",
    recipes={
        "paper": "segkit_baselines.h2former:paper.toml",
        **LIGHT,
    },
    cards={"h2former-isic2016": "segkit_baselines.h2former:card_isic2016.toml"},
    notes=(
        "pictures are padded to multiples of 16 windows (256 pixels by default)",
        "the released network takes four channels while its script feeds three; here in_channels",
        "published runs start from ImageNet weights of a ResNet-34 (train --init resnet34)",
    ),
)
