"""UltraLBM-UNet (Fan et al., 2025): shared Mamba and separable convolutions on six stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class UltraLBMConfig:
    """`second_pass`: over the channels in reverse, as released, or over the pixels in reverse."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int, int] = (8, 16, 24, 32, 48, 64)
    second_pass: Literal["channels", "sequence"] = "channels"


@dataclass(frozen=True)
class UltraLBMTConfig(UltraLBMConfig):
    """Half the widths."""

    widths: tuple[int, int, int, int, int, int] = (4, 8, 12, 16, 24, 32)


def _form(name: str, config: type, params: int, published: Published, form: str) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Shared Mamba on half of the channels, separable convolutions beside it{form}.",
        make="segkit_baselines.ultralbm.model:UltraLBMUNet",
        config=config,
        paper=Paper(
            "UltraLBM-UNet: Ultralight Bidirectional Mamba-based Model for Skin Lesion "
            "Segmentation",
            "Fan et al.",
            2025,
            "arXiv",
            "https://arxiv.org/abs/2512.21584",
        ),
        published=published,
        params=params,
        weights="segkit_baselines.ultralbm.released:LAYOUT",
        recipes={"paper": "segkit_baselines.ultralbm:paper.toml", **LIGHT},
        notes=(
            "the released second pass reverses the channels, not the pixels, so both passes run "
            "the same way; second_pass=sequence is the paper's text",
        ),
    )


ARCHITECTURE = _form(
    "ultralbm", UltraLBMConfig, 34_166, Published(0.034, 0.060, AT_256, "the paper", MACS), ""
)
TINY = _form(
    "ultralbm_t",
    UltraLBMTConfig,
    10_956,
    Published(0.011, 0.019, AT_256, "the paper", MACS),
    ", half as wide",
)
