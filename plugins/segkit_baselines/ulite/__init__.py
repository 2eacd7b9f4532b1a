"""U-Lite (Dinh, Nguyen, Tran and Pham, APSIPA ASC 2023): axial depthwise convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT


@dataclass(frozen=True)
class ULiteConfig:
    """U-Lite has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


ULITE = Architecture(
    name="ulite",
    summary="Axial depthwise convolutions: 0.88 M parameters.",
    make="segkit_baselines.ulite.model:ULite",
    config=ULiteConfig,
    paper=Paper(
        "1M parameters are enough? A lightweight CNN-based model for medical image segmentation",
        "Dinh, Nguyen, Tran and Pham",
        2023,
        "APSIPA ASC",
        "https://doi.org/10.1109/APSIPAASC58517.2023.10317244",
    ),
    published=Published(
        0.878,
        1.52,
        AT_256,
        "parameters: the paper; GFLOPs: TinyU-Net's table",
        "that table doubles a counter that also counts norms and upsampling",
    ),
    params=878_417,
    weights="segkit_baselines.ulite.released:LAYOUT",
    recipes={"paper": "segkit_baselines.ulite:paper.toml", **LIGHT},
)
