"""MK-UNet (Rahman and Marculescu, ICCV Workshops 2025): parallel kernels of 1, 3 and 5."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class MKUNetConfig:
    """Widths of the five stages."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 160)


@dataclass(frozen=True)
class MKUNetTConfig(MKUNetConfig):
    """The tiny form."""

    widths: tuple[int, int, int, int, int] = (4, 8, 16, 24, 32)


@dataclass(frozen=True)
class MKUNetSConfig(MKUNetConfig):
    """The small form."""

    widths: tuple[int, int, int, int, int] = (8, 16, 32, 48, 80)


@dataclass(frozen=True)
class MKUNetMConfig(MKUNetConfig):
    """The medium form."""

    widths: tuple[int, int, int, int, int] = (32, 64, 128, 192, 320)


@dataclass(frozen=True)
class MKUNetLConfig(MKUNetConfig):
    """The large form."""

    widths: tuple[int, int, int, int, int] = (64, 128, 256, 384, 512)


_MKUNET_PAPER = Paper(
    "MK-UNet: Multi-kernel Lightweight CNN for Medical Image Segmentation",
    "Rahman and Marculescu",
    2025,
    "ICCV Workshops",
    "https://arxiv.org/abs/2509.18493",
)


def _mkunet(name: str, config: type, params: int, published: Published, size: str) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Parallel kernels of 1, 3 and 5 in inverted residuals, {size} form.",
        make="segkit_baselines.mkunet.model:MKUNet",
        config=config,
        paper=_MKUNET_PAPER,
        published=published,
        params=params,
        weights="segkit_baselines.mkunet.released:LAYOUT",
        recipes=LIGHT,
    )


MKUNET = _mkunet(
    "mkunet",
    MKUNetConfig,
    315_566,
    Published(0.316, 0.314, AT_256, "the paper", MACS + ", and norms are counted in"),
    "the base",
)


MKUNET_T = _mkunet("mkunet_t", MKUNetTConfig, 27_384, Published(), "the tiny")


MKUNET_S = _mkunet("mkunet_s", MKUNetSConfig, 93_050, Published(), "the small")


MKUNET_M = _mkunet("mkunet_m", MKUNetMConfig, 1_150_166, Published(), "the medium")


MKUNET_L = _mkunet("mkunet_l", MKUNetLConfig, 3_758_118, Published(), "the large")
