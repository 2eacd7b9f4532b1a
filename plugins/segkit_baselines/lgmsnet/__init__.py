"""LGMSNet: local and global features at several scales (Dong et al., ECAI 2025)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class LGMSNetConfig:
    """Widths of the five stages."""

    in_channels: int = 3
    num_classes: int = 1
    dims: tuple[int, int, int, int, int] = (16, 32, 64, 128, 128)


ARCHITECTURE = Architecture(
    name="lgmsnet",
    summary="Mixed kernels above, sparse attention on three quarters of the channels below.",
    make="segkit_baselines.lgmsnet.model:LGMSNet",
    config=LGMSNetConfig,
    paper=Paper(
        "LGMSNet: Thinning a medical image segmentation model via dual-level multiscale fusion",
        "Dong et al.",
        2025,
        "ECAI",
        "https://arxiv.org/abs/2508.15476",
    ),
    published=Published(),
    params=2_321_393,
    weights="segkit_baselines.lgmsnet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.lgmsnet:paper.toml", **LIGHT},
)
