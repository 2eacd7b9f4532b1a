"""UltraLight VM-UNet (Wu, Liu, Ning, Liang and Chang, Patterns 2025): one Mamba for four groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT


@dataclass(frozen=True)
class UltraLightConfig:
    """`init`: as released (which flattens Mamba's step sizes), or Mamba's own."""

    in_channels: int = 3
    num_classes: int = 1
    init: Literal["faithful", "proper"] = "faithful"


ULTRALIGHT_VMUNET = Architecture(
    name="ultralight_vmunet",
    summary="One Mamba shared by four channel groups: 0.05 M parameters.",
    make="segkit_baselines.ultralight_vmunet.model:UltraLightVMUNet",
    config=UltraLightConfig,
    paper=Paper(
        "UltraLight VM-UNet: Parallel Vision Mamba significantly reduces parameters",
        "Wu, Liu, Ning, Liang and Chang",
        2025,
        "Patterns",
        "https://doi.org/10.1016/j.patter.2025.101298",
    ),
    published=Published(
        0.049, 0.060, AT_256, "the paper", "the published figure leaves all arithmetic of Mamba out"
    ),
    params=49_457,
    weights="segkit_baselines.ultralight_vmunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.ultralight_vmunet:paper.toml", **LIGHT},
)
