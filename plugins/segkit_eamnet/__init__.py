"""EAM-Net as a plugin: what it is, what can be set, where its pieces are; torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published

DEMOS = ("demo", "demo-polyp", "demo-ultrasound", "demo-nuclei", "demo-vessels")


@dataclass(frozen=True)
class EAMNetConfig:
    """Settings of the network; the defaults meet the published cost."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    bottleneck: int | None = None  # None: the last width
    mrcf: bool = True
    cmam: Literal["cross", "parallel", "serial", "none"] = "cross"
    eab: bool = True
    mem_slots: int = 64
    keep_ratio: float = 0.5
    select: Literal["ratio", "k"] = "ratio"  # k: mem_slots channels are kept
    key_grid: int = 8  # keys are pooled to at most this many rows and columns
    rates: tuple[int, int, int] = (3, 5, 7)
    deep_supervision: bool = True  # false: forward_aux gives the main output only

    def __post_init__(self) -> None:
        widths = [*self.widths, self.bottleneck or self.widths[-1]]
        if any(width < 4 or width % 4 for width in widths):
            raise ValueError(f"widths are {widths}: positive multiples of 4 are needed")
        if not 0 < self.keep_ratio <= 1:
            raise ValueError(f"keep_ratio is {self.keep_ratio}: above 0, at most 1 is needed")
        counts = (self.in_channels, self.num_classes, self.mem_slots, self.key_grid, *self.rates)
        if min(counts) < 1:
            raise ValueError("channels, classes, mem_slots, key_grid and rates must be at least 1")


ARCHITECTURE = Architecture(
    name="eamnet",
    summary="Dilated groups, cross-mixed attention and memory skips (reconstruction, no code).",
    make="segkit_eamnet.model:build",
    config=EAMNetConfig,
    paper=Paper(
        title="Effective Attention-Guided Multi-Scale Medical Network for Skin Lesion Segmentation",
        authors="S. Wang, H. Wang, H. Li, F. Zhang",
        year=2025,
        venue="arXiv 2512.07275",
        url="https://arxiv.org/abs/2512.07275",
    ),
    published=Published(
        params_m=4.6,
        gflops=16.85,
        input="3x224x320",
        source="arXiv 2512.07275, cost table",
        note="The printed FLOPs are multiply-adds; the layer layout is inferred from both figures.",
    ),
    size=(224, 320),
    multiple=16,
    min_train_size=32,
    params=4_619_258,
    recipes={
        "paper": "segkit_eamnet:paper.toml",
        "ph2": "segkit_eamnet:ph2.toml",
        "recommended": "segkit_eamnet:recommended.toml",
        "quick": "segkit_eamnet:quick.toml",
    },
    presets={"isic2018": "paper", "ph2": "ph2", **dict.fromkeys(DEMOS, "quick")},
    cards={f"eamnet-{name}": f"segkit_eamnet:card_{name}.toml" for name in ("isic2018", "ph2")},
    maps="attention",
    notes=("Reconstruction: no official code; the layer layout is inferred from published cost.",),
)
