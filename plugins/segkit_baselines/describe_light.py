"""The light-weight baselines: what they are, what was published, where our count differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published

MACS_NOTE = "the published 'GFLOPs' are multiply-adds, half of the FLOPs that segkit counts"
AT_256 = "3x256x256"
LIGHT = {"light": "segkit_baselines:light.toml"}


@dataclass(frozen=True)
class SixStageConfig:
    """EGE-UNet and MALUNet have no other settings: the widths are the published ones."""

    in_channels: int = 3
    num_classes: int = 1


@dataclass(frozen=True)
class UltraLightConfig:
    """`init`: as released (which flattens Mamba's step sizes), or Mamba's own."""

    in_channels: int = 3
    num_classes: int = 1
    init: Literal["faithful", "proper"] = "faithful"


@dataclass(frozen=True)
class ULiteConfig:
    """U-Lite has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


@dataclass(frozen=True)
class TinyUNetConfig:
    """`fields`: how many receptive fields a block cascades (the paper's N)."""

    in_channels: int = 3
    num_classes: int = 1
    fields: int = 8

    def __post_init__(self) -> None:
        if self.fields not in (1, 2, 4, 8, 16, 32):
            raise ValueError("fields must be a power of two up to 32")


@dataclass(frozen=True)
class UNeXtConfig:
    """Widths of the five stages."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int] = (16, 32, 128, 160, 256)


@dataclass(frozen=True)
class UNeXtSConfig(UNeXtConfig):
    """The small form."""

    widths: tuple[int, int, int, int, int] = (8, 16, 32, 64, 128)


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


@dataclass(frozen=True)
class VMUNetConfig:
    """Blocks per stage of the ISIC configuration; `drop_path` is the highest rate."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 96
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    decoder_depths: tuple[int, int, int, int] = (2, 2, 2, 1)
    drop_path: float = 0.2


@dataclass(frozen=True)
class VMUNetFullConfig(VMUNetConfig):
    """The released class's own defaults."""

    depths: tuple[int, int, int, int] = (2, 2, 9, 2)
    decoder_depths: tuple[int, int, int, int] = (2, 9, 2, 2)


EGEUNET = Architecture(
    name="egeunet",
    summary="Hadamard products over learned maps, grouped skips: 0.05 M parameters.",
    make="segkit_baselines.egeunet:EGEUNet",
    config=SixStageConfig,
    paper=Paper(
        "EGE-UNet: an Efficient Group Enhanced UNet for skin lesion segmentation",
        "Ruan, Xie, Gao, Liu and Fu",
        2023,
        "MICCAI",
        "https://doi.org/10.1007/978-3-031-43901-8_46",
    ),
    published=Published(0.053, 0.072, AT_256, "the paper", MACS_NOTE),
    params=53_374,
    recipes={"paper": "segkit_baselines:egeunet.toml", **LIGHT},
)

MALUNET = Architecture(
    name="malunet",
    summary="Dilated gated attention and external attention: 0.18 M parameters.",
    make="segkit_baselines.malunet:MALUNet",
    config=SixStageConfig,
    paper=Paper(
        "MALUNet: A Multi-Attention and Light-weight UNet for Skin Lesion Segmentation",
        "Ruan, Xiang, Xie, Liu and Fu",
        2022,
        "IEEE BIBM",
        "https://arxiv.org/abs/2211.01784",
    ),
    published=Published(0.177, 0.083, AT_256, "the paper, from its ratios to U-Net", MACS_NOTE),
    params=177_943,
    recipes={"paper": "segkit_baselines:six_stage.toml", **LIGHT},
)

ULTRALIGHT_VMUNET = Architecture(
    name="ultralight_vmunet",
    summary="One Mamba shared by four channel groups: 0.05 M parameters.",
    make="segkit_baselines.ultralight_vmunet:UltraLightVMUNet",
    config=UltraLightConfig,
    paper=Paper(
        "UltraLight VM-UNet: Parallel Vision Mamba significantly reduces parameters",
        "Wu, Liu, Ning, Liang and Chang",
        2025,
        "Patterns",
        "https://doi.org/10.1016/j.patter.2025.101298",
    ),
    published=Published(
        0.049, 0.060, AT_256, "the paper", "the published figure leaves all arithmetic of Mamba out"
    ),
    params=49_457,
    recipes={"paper": "segkit_baselines:ultralight_vmunet.toml", **LIGHT},
)

ULITE = Architecture(
    name="ulite",
    summary="Axial depthwise convolutions: 0.88 M parameters.",
    make="segkit_baselines.ulite:ULite",
    config=ULiteConfig,
    paper=Paper(
        "1M parameters are enough? A lightweight CNN-based model for medical image segmentation",
        "Dinh, Nguyen, Tran and Pham",
        2023,
        "APSIPA ASC",
        "https://doi.org/10.1109/APSIPAASC58517.2023.10317244",
    ),
    published=Published(
        0.878,
        1.52,
        AT_256,
        "parameters: the paper; GFLOPs: TinyU-Net's table",
        "that table doubles a counter that also counts norms and upsampling",
    ),
    params=878_417,
    recipes={"paper": "segkit_baselines:ulite.toml", **LIGHT},
)

TINYUNET = Architecture(
    name="tinyunet",
    summary="Cascaded receptive fields: 0.48 M parameters.",
    make="segkit_baselines.tinyunet:TinyUNet",
    config=TinyUNetConfig,
    paper=Paper(
        "TinyU-Net: Lighter yet Better U-Net with Cascaded Multi-Receptive Fields",
        "Chen, Chen, Wang, Cheng, Zhang and Chen",
        2024,
        "MICCAI",
        "https://doi.org/10.1007/978-3-031-72114-4_60",
    ),
    published=Published(
        0.48,
        3.33,
        AT_256,
        "the paper, two classes",
        "the published figure also counts norms, pooling and upsampling",
    ),
    multiple=16,
    params=481_105,
    recipes={"paper": "segkit_baselines:tinyunet.toml", **LIGHT},
)

_UNEXT_PAPER = Paper(
    "UNeXt: MLP-based Rapid Medical Image Segmentation Network",
    "Valanarasu and Patel",
    2022,
    "MICCAI",
    "https://arxiv.org/abs/2203.04967",
)
UNEXT = Architecture(
    name="unext",
    summary="Convolutions above, shifted MLPs below: 1.5 M parameters.",
    make="segkit_baselines.unext:UNeXt",
    config=UNeXtConfig,
    paper=_UNEXT_PAPER,
    published=Published(1.47, 0.57, AT_256, "the paper", MACS_NOTE + ", and norms are counted in"),
    params=1_471_921,
    recipes={"paper": "segkit_baselines:unext.toml", **LIGHT},
)
UNEXT_S = Architecture(
    name="unext_s",
    summary="UNeXt at half the width: 0.25 M parameters.",
    make="segkit_baselines.unext:UNeXt",
    config=UNeXtSConfig,
    paper=_UNEXT_PAPER,
    params=253_561,
    recipes={"paper": "segkit_baselines:unext.toml", **LIGHT},
)

_CMUNEXT_PAPER = Paper(
    "CMUNeXt: An Efficient Medical Image Segmentation Network based on Large Kernel",
    "Tang et al.",
    2024,
    "ISBI",
    "https://arxiv.org/abs/2308.01239",
)


def _cmunext(name: str, config: type, params: int, published: Published, size: str) -> Architecture:
    return Architecture(
        name=name,
        summary=f"Large depthwise kernels and a skip fusion, {size} form.",
        make="segkit_baselines.cmunext:CMUNeXt",
        config=config,
        paper=_CMUNEXT_PAPER,
        published=published,
        multiple=16,
        params=params,
        recipes={"paper": "segkit_baselines:cmunext.toml", **LIGHT},
    )


CMUNEXT = _cmunext(
    "cmunext",
    CMUNeXtConfig,
    3_149_185,
    Published(3.14, 7.41, AT_256, "the paper", MACS_NOTE + ", and norms are counted in"),
    "the base",
)
CMUNEXT_S = _cmunext("cmunext_s", CMUNeXtSConfig, 417_505, Published(), "the small")
CMUNEXT_L = _cmunext("cmunext_l", CMUNeXtLConfig, 8_286_721, Published(), "the large")

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
        make="segkit_baselines.mkunet:MKUNet",
        config=config,
        paper=_MKUNET_PAPER,
        published=published,
        params=params,
        recipes=LIGHT,
    )


MKUNET = _mkunet(
    "mkunet",
    MKUNetConfig,
    315_566,
    Published(0.316, 0.314, AT_256, "the paper", MACS_NOTE + ", and norms are counted in"),
    "the base",
)
MKUNET_T = _mkunet("mkunet_t", MKUNetTConfig, 27_384, Published(), "the tiny")
MKUNET_S = _mkunet("mkunet_s", MKUNetSConfig, 93_050, Published(), "the small")
MKUNET_M = _mkunet("mkunet_m", MKUNetMConfig, 1_150_166, Published(), "the medium")
MKUNET_L = _mkunet("mkunet_l", MKUNetLConfig, 3_758_118, Published(), "the large")

_VMUNET_PAPER = Paper(
    "VM-UNet: Vision Mamba UNet for Medical Image Segmentation",
    "Ruan, Li and Xiang",
    2024,
    "arXiv",
    "https://arxiv.org/abs/2402.02491",
)
VMUNET = Architecture(
    name="vmunet",
    summary="Visual state-space blocks in a U, the ISIC configuration: 27 M parameters.",
    make="segkit_baselines.vmunet:VMUNet",
    config=VMUNetConfig,
    paper=_VMUNET_PAPER,
    published=Published(
        27.43,
        4.11,
        AT_256,
        "later papers' tables",
        "the published figure is multiply-adds without the scan and its projections",
    ),
    params=27_427_561,
    recipes={"paper": "segkit_baselines:vmunet.toml", **LIGHT},
    notes=("published runs start from ImageNet weights; from scratch is another experiment",),
)
VMUNET_FULL = Architecture(
    name="vmunet_full",
    summary="VM-UNet at the released class's own depths: 44 M parameters.",
    make="segkit_baselines.vmunet:VMUNet",
    config=VMUNetFullConfig,
    paper=_VMUNET_PAPER,
    params=44_273_833,
    recipes={"paper": "segkit_baselines:vmunet.toml", **LIGHT},
)
