"""CMUNeXt (Tang et al., ISBI 2024): large depthwise kernels and a skip fusion in two groups."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class CMUNeXtConfig:
    """Widths, blocks and depthwise kernels of the five stages."""

    in_channels: int = 3
    num_classes: int = 1
    dims: tuple[int, int, int, int, int] = (16, 32, 128, 160, 256)
    depths: tuple[int, int, int, int, int] = (1, 1, 1, 3, 1)
    kernels: tuple[int, int, int, int, int] = (3, 3, 7, 7, 7)


@dataclass(frozen=True)
class CMUNeXtSConfig(CMUNeXtConfig):
    """The small form."""

    dims: tuple[int, int, int, int, int] = (8, 16, 32, 64, 128)
    depths: tuple[int, int, int, int, int] = (1, 1, 1, 1, 1)
    kernels: tuple[int, int, int, int, int] = (3, 3, 7, 7, 9)


@dataclass(frozen=True)
class CMUNeXtLConfig(CMUNeXtConfig):
    """The large form."""

    dims: tuple[int, int, int, int, int] = (32, 64, 128, 256, 512)
    depths: tuple[int, int, int, int, int] = (1, 1, 1, 6, 3)


_CMUNEXT_PAPER = Paper(
    "CMUNeXt: An Efficient Medical Image Segmentation Network based on Large Kernel",
    "Tang et al.",
    2024,
    "ISBI",
    "https://arxiv.org/abs/2308.01239",
)


def _cmunext(
    name: str, config: type, params: int, published: Published, size: str, depths: str
) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Large depthwise kernels and a skip fusion, {size} form.",
        make="segkit_baselines.cmunext.model:CMUNeXt",
        config=config,
        paper=_CMUNEXT_PAPER,
        published=published,
        multiple=16,
        params=params,
        weights=f"segkit_baselines.cmunext.released:{depths}",
        recipes={"paper": "segkit_baselines.cmunext:paper.toml", **LIGHT},
    )


CMUNEXT = _cmunext(
    "cmunext",
    CMUNeXtConfig,
    3_149_185,
    Published(3.14, 7.41, AT_256, "the paper", MACS + ", and norms are counted in"),
    "the base",
    "BASE",
)


CMUNEXT_S = _cmunext("cmunext_s", CMUNeXtSConfig, 417_505, Published(), "the small", "SMALL")


CMUNEXT_L = _cmunext("cmunext_l", CMUNeXtLConfig, 8_286_721, Published(), "the large", "LARGE")
