"""QTSeg as a plugin: what it is, what can be set, where its pieces are; torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Loss, Paper, Published

PAPER = Paper(
    title=(
        "QTSeg: A Query Token-Based Dual-Mix Attention Framework with Multi-Level Feature "
        "Distribution for Medical Image Segmentation"
    ),
    authors="P.-N. Tran, N. T. Pham, D. N. M. Dang, E.-N. Huh, C. S. Hong",
    year=2024,
    venue="arXiv 2412.17241",
    url="https://arxiv.org/abs/2412.17241",
)

DEMOS = ("demo", "demo-polyp", "demo-ultrasound", "demo-nuclei", "demo-vessels")
CARDS = ("isic2016", "dsb2018", "busi", "bkai", "fives")


@dataclass(frozen=True)
class QTSegConfig:
    """Settings of the network; the defaults are the paper's."""

    in_channels: int = 3
    num_classes: int = 2
    width: int = 16  # n: the maps have 4n, 8n, 16n channels
    mlfd: bool = True
    decoder: Literal["dma", "twoway"] = "dma"
    blocks: tuple[int, int, int] = (1, 2, 3)  # per level, stride 8 first
    heads: int = 8
    token_mlp_dim: int = 2048
    cab: Literal["faithful", "paper"] = "faithful"
    sam_kernel: Literal[7, 3] = 7
    encoder_bn_eps: float = 1e-5  # 1e-3 is native to YOLOv8's weights

    def __post_init__(self) -> None:
        inner = 2 * self.width
        if self.width < 4 or self.width % 4:
            raise ValueError(f"width is {self.width}: a positive multiple of 4 is needed")
        if self.heads < 1 or inner % self.heads:
            raise ValueError(f"heads is {self.heads}, it must divide 2·width = {inner}")
        if min(self.in_channels, self.num_classes, self.token_mlp_dim, *self.blocks) < 1:
            raise ValueError(
                "in_channels, num_classes, token_mlp_dim and blocks must be at least 1"
            )


@dataclass(frozen=True)
class CeDiceConfig:
    """Weights of the two terms."""

    ce: float = 1.0
    dice: float = 1.0
    smooth: float = 1e-6


ARCHITECTURE = Architecture(
    name="qtseg",
    summary="Class tokens and maps refine each other over a YOLOv8-nano encoder.",
    make="segkit_qtseg.model:build",
    config=QTSegConfig,
    paper=PAPER,
    published=Published(
        params_m=9.21,
        gflops=2.60,
        input="3x512x512, K=2",
        source="arXiv 2412.17241, Table I",
        note="Printed FLOPs are multiply-adds with norms and resizing, plus activations (fvcore).",
    ),
    size=(512, 512),
    multiple=32,
    params=9_214_850,
    recipes={
        "paper": "segkit_qtseg:paper.toml",
        "faithful": "segkit_qtseg:paper.toml",
        "recommended": "segkit_qtseg:recommended.toml",
        "isic": "segkit_qtseg:isic.toml",
        "fives": "segkit_qtseg:fives.toml",
        "quick": "segkit_qtseg:quick.toml",
    },
    presets={
        "isic2016": "isic",
        "isic2017": "isic",
        "isic2018": "isic",
        "busi": "paper",
        "bkai": "paper",
        "dsb2018": "paper",
        "fives": "fives",
        **dict.fromkeys(DEMOS, "quick"),
    },
    cards={f"qtseg-{name}": f"segkit_qtseg:card_{name}.toml" for name in CARDS},
    paper_counter=("fvcore flops + activations", "segkit_qtseg.counter:count"),
    maps="attention",
    weights="segkit_qtseg.layout:LAYOUTS",
    notes=(
        "The published FLOPs add activations to multiply-adds; `profile` shows both apart.",
        "No pretrained encoder is bundled: `segkit weights import qtseg FILE --out DIR`.",
    ),
)

CE_DICE = Loss(
    name="ce_dice",
    summary="Cross entropy plus soft Dice over softmax classes, as QTSeg trains.",
    make="segkit_qtseg.loss:CeDice",
    config=CeDiceConfig,
    paper=PAPER,
    min_logits=2,
)
