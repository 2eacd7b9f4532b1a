"""MISSFormer: An Effective Transformer for 2D Medical Image Segmentation.

Huang, Deng, Li, Yuan and Fu, IEEE Transactions on Medical Imaging 42(5):1484-1494 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class MISSFormerConfig:
    """MISSFormer has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


ARCHITECTURE = Architecture(
    name="missformer",
    summary="SegFormer-like encoder and decoder; tokens of all scales mixed: 42 M parameters.",
    make="segkit_baselines.missformer.model:MISSFormer",
    config=MISSFormerConfig,
    paper=Paper(
        "MISSFormer: An Effective Transformer for 2D Medical Image Segmentation",
        "Huang, Deng, Li, Yuan and Fu",
        2023,
        "IEEE TMI",
        "https://arxiv.org/abs/2109.07162",
    ),
    published=Published(
        42.33,
        109.45,
        "3x512x512",
        "QTSeg's Table I",
        "multiply-adds, norms counted in, and the released code evaluates each first linear of an "
        "MLP twice; its 42.33 M is 0.13 M short of the code",
    ),
    size=(224, 224),
    params=42_462_017,
    weights="segkit_baselines.missformer.released:LAYOUT",
    recipes={
        "paper": "segkit_baselines.missformer:paper.toml",
        **LIGHT,
    },
    cards={"missformer-isic2016": "segkit_baselines.missformer:card_isic2016.toml"},
    notes=(
        "dead as released, kept for the count, without gradient: two norms of every MLP (114,688) "
        "and the deepest decoder level's join and blocks (6,895,104)",
        "the released code takes 224 pixels only; here any size",
    ),
)
