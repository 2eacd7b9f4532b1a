"""SegFormer-B0 and B1 (Xie et al., NeurIPS 2021), from scratch."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class SegFormerConfig:
    """Widths of the four stages and of the head."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int] = (32, 64, 160, 256)
    embed: int = 256
    drop_path: float = 0.1


@dataclass(frozen=True)
class SegFormerB1Config(SegFormerConfig):
    """Twice the width."""

    widths: tuple[int, int, int, int] = (64, 128, 320, 512)


_SEGFORMER_PAPER = Paper(
    "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
    "Xie, Wang, Yu, Anandkumar, Alvarez and Luo",
    2021,
    "NeurIPS",
    "https://arxiv.org/abs/2105.15203",
)


_SEGFORMER_NOTE = "the published figures are for 150 classes at 512x512"


SEGFORMER_B0 = Architecture(
    name="segformer_b0",
    summary="SegFormer-B0 from scratch: 3.7 M parameters.",
    make="segkit_baselines.segformer.model:SegFormer",
    config=SegFormerConfig,
    paper=_SEGFORMER_PAPER,
    published=Published(3.8, 8.4, "3x512x512", "the paper", _SEGFORMER_NOTE),
    params=3_714_401,
    starts={"mit_b0": "segkit_baselines.segformer.released:from_mit"},
    weights="segkit_baselines.segformer.released:LAYOUTS",
    recipes=LIGHT,
    notes=("pretrained weights matter most for this network (train --init mit_b0 or mit_b1)",),
)


SEGFORMER_B1 = Architecture(
    name="segformer_b1",
    summary="SegFormer-B1 from scratch: 13.7 M parameters.",
    make="segkit_baselines.segformer.model:SegFormer",
    config=SegFormerB1Config,
    paper=_SEGFORMER_PAPER,
    published=Published(13.7, 15.9, "3x512x512", "the paper", _SEGFORMER_NOTE),
    params=13_677_505,
    starts={"mit_b1": "segkit_baselines.segformer.released:from_mit"},
    weights="segkit_baselines.segformer.released:LAYOUTS",
    recipes=LIGHT,
    notes=("pretrained weights matter most for this network (train --init mit_b0 or mit_b1)",),
)
