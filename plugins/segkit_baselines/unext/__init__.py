"""UNeXt (Valanarasu and Patel, MICCAI 2022): convolutions above, shifted MLPs below."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class UNeXtConfig:
    """Widths of the five stages."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int] = (16, 32, 128, 160, 256)


@dataclass(frozen=True)
class UNeXtSConfig(UNeXtConfig):
    """The small form."""

    widths: tuple[int, int, int, int, int] = (8, 16, 32, 64, 128)


_UNEXT_PAPER = Paper(
    "UNeXt: MLP-based Rapid Medical Image Segmentation Network",
    "Valanarasu and Patel",
    2022,
    "MICCAI",
    "https://arxiv.org/abs/2203.04967",
)


UNEXT = Architecture(
    name="unext",
    summary="Convolutions above, shifted MLPs below: 1.5 M parameters.",
    make="segkit_baselines.unext.model:UNeXt",
    config=UNeXtConfig,
    paper=_UNEXT_PAPER,
    published=Published(1.47, 0.57, AT_256, "the paper", MACS + ", and norms are counted in"),
    params=1_471_921,
    weights="segkit_baselines.unext.released:LAYOUT",
    recipes={"paper": "segkit_baselines.unext:paper.toml", **LIGHT},
)


UNEXT_S = Architecture(
    name="unext_s",
    summary="UNeXt at half the width: 0.25 M parameters.",
    make="segkit_baselines.unext.model:UNeXt",
    config=UNeXtSConfig,
    paper=_UNEXT_PAPER,
    params=253_561,
    weights="segkit_baselines.unext.released:LAYOUT",
    recipes={"paper": "segkit_baselines.unext:paper.toml", **LIGHT},
)
