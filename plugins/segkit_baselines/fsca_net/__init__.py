"""FSCA-Net: a U-Net whose skips pass through joint channel and spatial attention.

Tan et al., IEEE Journal of Biomedical and Health Informatics 28(9):5396-5409 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class FSCANetConfig:
    """`grid`: rows and columns of the position tables, 1/16 of the training size."""

    in_channels: int = 3
    num_classes: int = 1
    grid: tuple[int, int] = (14, 14)


ARCHITECTURE = Architecture(
    name="fsca_net",
    summary="Skips through channel and spatial attention, gated decoder: 44 M parameters.",
    make="segkit_baselines.fsca_net.model:FSCANet",
    config=FSCANetConfig,
    paper=Paper(
        "FSCA-Net",
        "Tan et al.",
        2024,
        "IEEE JBHI 28(9):5396-5409",
        "https://github.com/Henry991115/FSCA-Net",
    ),
    published=Published(
        43.50,
        32.95,
        "3x224x224",
        "QTSeg's Table I",
        "multiply-adds, norms counted in",
    ),
    size=(224, 224),
    multiple=16,
    params=43_502_703,
    no_decay=("position", "tau1", "tau2"),
    recipes={
        "paper": "segkit_baselines.fsca_net:paper.toml",
        **LIGHT,
    },
    cards={"fsca-net-isic2016": "segkit_baselines.fsca_net:card_isic2016.toml"},
    notes=(
        "dead as released, kept for the count, without gradient: a norm of 960 channels in each "
        "of the four layers (7,680)",
        "on another grid the position tables are resampled, and the projections of the tokens "
        "too, weighted so that their sum stays",
        "a sigmoid that the released code applies for one class is left out: logits",
    ),
)
