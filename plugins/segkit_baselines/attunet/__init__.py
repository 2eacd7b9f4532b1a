"""Attention U-Net (Oktay et al., MIDL 2018), in the 2-D form of the benchmark papers."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS_AND_NORMS


@dataclass(frozen=True)
class AttUNetConfig:
    """`gate=false` is the plain twin of the benchmark papers."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 64
    gate: bool = True


ATTUNET = Architecture(
    name="attunet",
    summary="U-Net of 64 … 1024 channels with attention gates on the skips.",
    make="segkit_baselines.attunet.model:AttUNet",
    config=AttUNetConfig,
    paper=Paper(
        "Attention U-Net: Learning Where to Look for the Pancreas",
        "Oktay et al.",
        2018,
        "MIDL",
        "https://arxiv.org/abs/1804.03999",
    ),
    published=Published(34.87, 66.63, AT_256, "benchmark papers' tables", MACS_AND_NORMS),
    multiple=16,
    params=34_878_573,
    weights="segkit_baselines.attunet.released:LAYOUT",
    recipes=LIGHT,
    cards={"attunet-fives": "segkit_baselines.attunet:card_fives.toml"},
    notes=("the same-resolution gate of the benchmark papers, not the paper's 3-D strided one",),
)
