"""MambaLiteUNet (Rahman, Jung and Hammond, CVPR 2026): Mamba fusion and Mamba-gated skips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT


@dataclass(frozen=True)
class MambaLiteConfig:
    """`init`: as released (which flattens Mamba's step sizes), or Mamba's own."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int, int] = (16, 32, 48, 64, 96, 128)
    init: Literal["faithful", "proper"] = "faithful"


ARCHITECTURE = Architecture(
    name="mambaliteunet",
    summary="Four Mambas and self-attention in each deep stage, Mamba-gated skips.",
    make="segkit_baselines.mambaliteunet.model:MambaLiteUNet",
    config=MambaLiteConfig,
    paper=Paper(
        "MambaLiteUNet",
        "Rahman, Jung and Hammond",
        2026,
        "CVPR",
        "https://arxiv.org/abs/2604.20286",
    ),
    published=Published(
        0.494,
        None,
        AT_256,
        "the paper",
        "the released network has 0.911 M: the published size is that of another one",
    ),
    params=910_627,
    weights="segkit_baselines.mambaliteunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.mambaliteunet:paper.toml", **LIGHT},
    notes=(
        "dead as released, kept for the count: a weight and a bias of the last convolution of "
        "every deep stage",
        "attention over the whole grid of an eighth: it costs the square of the area",
    ),
)
