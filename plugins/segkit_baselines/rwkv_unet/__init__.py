"""RWKV-UNet: Improving UNet with Long-Range Cooperation for Effective Medical Image Segmentation.

Jiang, Zhang, Liu, Gao, Hu, Yan, Huang and Liu, arXiv 2501.08458 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper
from segkit_baselines.facts import LIGHT


@dataclass(frozen=True)
class RWKVUNetConfig:
    """Blocks, widths and expansions of the four stages; the base form."""

    in_channels: int = 3
    num_classes: int = 1
    depths: tuple[int, int, int, int] = (3, 3, 6, 3)
    widths: tuple[int, int, int, int] = (48, 72, 144, 240)
    expansions: tuple[float, float, float, float] = (2.0, 2.5, 4.0, 4.0)
    drop_path: float = 0.05


@dataclass(frozen=True)
class RWKVUNetSConfig(RWKVUNetConfig):
    """The small form."""

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    expansions: tuple[float, float, float, float] = (2.0, 2.5, 3.0, 4.0)


@dataclass(frozen=True)
class RWKVUNetTConfig(RWKVUNetConfig):
    """The tiny form."""

    depths: tuple[int, int, int, int] = (2, 2, 4, 2)
    widths: tuple[int, int, int, int] = (32, 48, 96, 160)
    expansions: tuple[float, float, float, float] = (2.0, 2.5, 3.0, 3.5)


def _form(name: str, config: type, params: int, form: str) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Inverted residuals with RWKV mixing in the deep stages, {form} form.",
        make="segkit_baselines.rwkv_unet.model:RWKVUNet",
        config=config,
        paper=Paper(
            "RWKV-UNet: Improving UNet with Long-Range Cooperation for Effective Medical Image "
            "Segmentation",
            "Jiang et al.",
            2025,
            "arXiv",
            "https://arxiv.org/abs/2501.08458",
        ),
        size=(224, 224),
        multiple=16,
        params=params,
        no_decay=("decay", "first", "mu_k", "mu_v", "mu_r"),
        weights="segkit_baselines.rwkv_unet.released:LAYOUT",
        recipes={
            "paper": "segkit_baselines.rwkv_unet:paper.toml",
            **LIGHT,
        },
        notes=(
            "dead as released, kept for the count, without gradient: a mixer in every block that "
            "does not mix, a norm in every block, the encoder's norm and its ImageNet classifier, "
            "a norm in every decoder level",
            "WKV follows the formula; the released kernel mixes two rules of distance and holds "
            "1024 tokens (256 pixels) at most",
            "an exported graph is right for decays up to 30",
        ),
    )


ARCHITECTURE = _form("rwkv_unet", RWKVUNetConfig, 24_642_686, "the base")
SMALL = _form("rwkv_unet_s", RWKVUNetSConfig, 15_087_782, "the small")
TINY = _form("rwkv_unet_t", RWKVUNetTConfig, 5_677_782, "the tiny")
