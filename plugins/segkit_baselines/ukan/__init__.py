"""U-KAN Makes Strong Backbone for Medical Image Segmentation and Generation (AAAI 2025)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT


@dataclass(frozen=True)
class UKANConfig:
    """`widths`: of the last convolutional stage and of the two token stages."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int] = (128, 160, 256)


ARCHITECTURE = Architecture(
    name="ukan",
    summary="UNeXt's layout with spline (Kolmogorov-Arnold) layers in its token blocks.",
    make="segkit_baselines.ukan.model:UKAN",
    config=UKANConfig,
    paper=Paper(
        "U-KAN Makes Strong Backbone for Medical Image Segmentation and Generation",
        "Li et al.",
        2025,
        "AAAI",
        "https://arxiv.org/abs/2406.02918",
    ),
    published=Published(
        6.35, 14.02, AT_256, "the paper", "the published 14.02 G could not be reproduced"
    ),
    params=6_356_689,
    weights="segkit_baselines.ukan.released:LAYOUT",
    recipes={"paper": "segkit_baselines.ukan:paper.toml", **LIGHT},
    notes=(
        "the released class has wider defaults: widths=256,320,512 has 25,359,265 parameters",
        "a spline answers to values from -2.2 to 2.2; beyond them its SiLU part is left",
    ),
)
