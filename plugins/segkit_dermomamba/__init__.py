"""DermoMamba and its Guide Fusion Loss, described: importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Loss, Paper, Published

NATIVE_GRID = (6, 8)  # 192x256 / 32: the bottleneck that the released weights are tied to

DEMOS = ("demo", "demo-polyp", "demo-ultrasound", "demo-nuclei", "demo-vessels")


@dataclass(frozen=True)
class DermoMambaConfig:
    """`faithful` takes 192x256 only, as released; `general` any size, with the same weights."""

    in_channels: int = 3
    num_classes: int = 1
    variant: Literal["general", "faithful"] = "general"
    grid: tuple[int, int] = NATIVE_GRID  # rows and columns that Sweep scans; training size / 32

    def __post_init__(self) -> None:
        if min(self.grid) < 1:
            raise ValueError(f"grid {self.grid} must be positive, for example 6x8 for 192x256")
        if self.variant == "faithful" and tuple(self.grid) != NATIVE_GRID:
            raise ValueError(f"variant faithful has grid 6x8, not {self.grid}; use variant general")


@dataclass(frozen=True)
class GuideFusionConfig:
    """`spatial` weighs the Dice terms by the border, `scalar` its value; `legacy`: as released."""

    variant: Literal["spatial", "scalar", "legacy"] = "spatial"
    smooth: float = 1e-3


def _only_size(config: DermoMambaConfig) -> tuple[int, int] | None:
    return (192, 256) if config.variant == "faithful" else None


PAPER = Paper(
    title="DermoMamba: a cross-scale Mamba-based model with guide fusion loss for skin lesion "
    "segmentation in dermoscopy images",
    authors="N.-K. Hoang, D.-H. Nguyen, T.-T. Tran, V.-T. Pham",
    year=2025,
    venue="Pattern Analysis and Applications 28:128",
    url="https://doi.org/10.1007/s10044-025-01506-w",
)

ARCHITECTURE = Architecture(
    name="dermomamba",
    summary="Five-stage U-shape; one four-direction Mamba per stage serves three dilations.",
    make="segkit_dermomamba.model:DermoMamba",
    config=DermoMambaConfig,
    paper=PAPER,
    published=Published(
        params_m=4.95,
        gflops=0.97,
        input="3x192x256",
        source="Pattern Analysis and Applications 28:128 (2025)",
        note="0.97 G counts multiply-accumulates without 61 convolutions with string padding "
        "and without the scan.",
    ),
    size=(192, 256),
    multiple=32,
    fixed_size=_only_size,
    min_train_size=64,
    params=4_953_425,
    recipes={
        name: f"segkit_dermomamba:{name}.toml" for name in ("paper", "recommended", "ph2", "quick")
    },
    presets={"isic2018": "paper", "ph2": "ph2", **dict.fromkeys(DEMOS, "quick")},
    cards={
        f"dermomamba-{name}": f"segkit_dermomamba:card_{name}.toml" for name in ("isic2018", "ph2")
    },
    paper_counter=("fvcore, string padding unseen", "segkit_dermomamba.counter:count"),
    weights="segkit_dermomamba.weights:LAYOUT",
    notes=(
        "variant=faithful is the released network and takes 192x256 only; variant=general gives "
        "the same logits there and takes any size.",
        "Trained from scratch at another size, set model.grid to that size divided by 32.",
        "A channel quarter passes the cross-scale block untouched, as in the released code.",
    ),
)

GUIDE_FUSION = Loss(
    name="guide_fusion",
    summary="Cross entropy plus a Dice term that the distance to the border weighs (DermoMamba).",
    make="segkit_dermomamba.loss:GuideFusionLoss",
    config=GuideFusionConfig,
    paper=PAPER,
)
