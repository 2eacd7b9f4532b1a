"""MHorUNet: High-order Spatial Interaction UNet for skin lesion segmentation (2024)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class MHorUNetConfig:
    """Widths of the six stages, blocks of the last four; `drop_path` is the highest rate."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int, int] = (8, 16, 32, 64, 128, 256)
    depths: tuple[int, int, int, int] = (2, 3, 18, 2)
    drop_path: float = 0.4


ARCHITECTURE = Architecture(
    name="mhorunet",
    summary="Gates of second to fifth order; filters in the frequencies of the deep maps.",
    make="segkit_baselines.mhorunet.model:MHorUNet",
    config=MHorUNetConfig,
    paper=Paper(
        "MHorUNet: High-order Spatial Interaction UNet for skin lesion segmentation",
        "Wu, Liang, Huang, Shi, Gu, Zhu and Chang",
        2024,
        "Biomedical Signal Processing and Control 88:105517",
        "https://github.com/wurenkai/MHorUNet",
    ),
    params=4_962_159,
    weights="segkit_baselines.mhorunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.mhorunet:paper.toml", **LIGHT},
    cards={"mhorunet-isic2016": "segkit_baselines.mhorunet:card_isic2016.toml"},
    notes=("the filters are resized to the picture's frequencies, corners aligned",),
)
