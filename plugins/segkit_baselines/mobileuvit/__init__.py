"""Mobile U-ViT: Revisiting large kernel and U-shaped ViT for efficient segmentation (2025)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS_AND_NORMS


@dataclass(frozen=True)
class MobileUViTConfig:
    """Widths, blocks per encoder stage, kernels, and blocks of the bottleneck."""

    in_channels: int = 3
    num_classes: int = 1
    dims: tuple[int, int, int, int] = (16, 32, 64, 128)
    depths: tuple[int, int, int] = (1, 1, 3)
    kernels: tuple[int, int, int] = (3, 3, 7)
    local_blocks: int = 3
    global_blocks: int = 3
    heads: int = 4


@dataclass(frozen=True)
class MobileUViTLConfig(MobileUViTConfig):
    """The large form."""

    dims: tuple[int, int, int, int] = (32, 64, 128, 256)
    global_blocks: int = 4
    heads: int = 8


def _form(name: str, config: type, params: int, published: Published, form: str) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Large-kernel stages, then local and global attention at an eighth, {form} form.",
        make="segkit_baselines.mobileuvit.model:MobileUViT",
        config=config,
        paper=Paper(
            "Mobile U-ViT: Revisiting large kernel and U-shaped ViT for efficient medical image "
            "segmentation",
            "Tang et al.",
            2025,
            "ACM MM",
            "https://arxiv.org/abs/2508.01064",
        ),
        published=published,
        multiple=16,
        params=params,
        weights="segkit_baselines.mobileuvit.released:LAYOUT",
        recipes={"paper": "segkit_baselines.mobileuvit:paper.toml", **LIGHT},
        notes=("attention over the whole grid of an eighth: it costs the square of the area",),
    )


ARCHITECTURE = _form(
    "mobileuvit",
    MobileUViTConfig,
    1_390_305,
    Published(1.39, 2.51, AT_256, "the paper", MACS_AND_NORMS),
    "the base",
)
LARGE = _form("mobileuvit_l", MobileUViTLConfig, 6_209_217, Published(), "the large")
