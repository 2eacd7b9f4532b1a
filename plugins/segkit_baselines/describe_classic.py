"""The classic baselines: U-Nets, SegFormer, DeepLab, and the residual U-Net in nnU-Net's manner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.api import Architecture, Paper, Published

MACS_NOTE = "the published 'GFLOPs' are multiply-adds, norms counted in"
AT_256 = "3x256x256"
LIGHT = {"light": "segkit_baselines:light.toml"}


@dataclass(frozen=True)
class UNetConfig:
    """U-Net: `width` channels at full size, doubled at each of `levels` − 1 poolings."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 16
    levels: int = 5
    up: Literal["bilinear", "transposed"] = "bilinear"

    def __post_init__(self) -> None:
        if self.width < 1 or not 2 <= self.levels <= 7:
            raise ValueError("width must be positive and levels between 2 and 7")


@dataclass(frozen=True)
class AttUNetConfig:
    """`gate=false` is the plain twin of the benchmark papers."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 64
    gate: bool = True


@dataclass(frozen=True)
class UNetPPConfig:
    """`deep_supervision` adds heads on the shorter paths."""

    in_channels: int = 3
    num_classes: int = 1
    width: int = 32
    deep_supervision: bool = False


@dataclass(frozen=True)
class UNetPPR34Config:
    """U-Net++ over a ResNet-34 has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


@dataclass(frozen=True)
class DeepLabConfig:
    """`depth` of the ResNet (18 or 34), width of pyramid and decoder, dilations."""

    in_channels: int = 3
    num_classes: int = 1
    depth: Literal[18, 34] = 18
    width: int = 256
    rates: tuple[int, ...] = (6, 12, 18)


@dataclass(frozen=True)
class SegFormerConfig:
    """Widths of the four stages and of the head."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int] = (32, 64, 160, 256)
    embed: int = 256
    drop_path: float = 0.1


@dataclass(frozen=True)
class SegFormerB1Config(SegFormerConfig):
    """Twice the width."""

    widths: tuple[int, int, int, int] = (64, 128, 320, 512)


@dataclass(frozen=True)
class ResEncConfig:
    """`stages` by nnU-Net's rule for the size: 5 at 64, 6 at 128 … 224, 7 at 256, 8 at 512."""

    in_channels: int = 3
    num_classes: int = 1
    stages: int = 7
    plain: bool = False

    def __post_init__(self) -> None:
        if not 3 <= self.stages <= 8:
            raise ValueError("stages must be between 3 and 8")


UNET = Architecture(
    name="unet",
    summary="U-Net with batch norm: the yardstick (width 16, 32 or 64).",
    make="segkit_baselines.unet:UNet",
    config=UNetConfig,
    paper=Paper(
        "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        "Ronneberger, Fischer and Brox",
        2015,
        "MICCAI",
        "https://arxiv.org/abs/1505.04597",
    ),
    multiple=16,
    min_train_size=32,
    params=1_812_017,
    recipes={"quick": "segkit_baselines:unet_quick.toml", **LIGHT},
)

ATTUNET = Architecture(
    name="attunet",
    summary="U-Net of 64 … 1024 channels with attention gates on the skips.",
    make="segkit_baselines.attunet:AttUNet",
    config=AttUNetConfig,
    paper=Paper(
        "Attention U-Net: Learning Where to Look for the Pancreas",
        "Oktay et al.",
        2018,
        "MIDL",
        "https://arxiv.org/abs/1804.03999",
    ),
    published=Published(34.87, 66.63, AT_256, "benchmark papers' tables", MACS_NOTE),
    multiple=16,
    params=34_878_573,
    recipes=LIGHT,
    notes=("the same-resolution gate of the benchmark papers, not the paper's 3-D strided one",),
)

_UNETPP_PAPER = Paper(
    "UNet++: A Nested U-Net Architecture for Medical Image Segmentation",
    "Zhou, Siddiquee, Tajbakhsh and Liang",
    2018,
    "DLMIA",
    "https://arxiv.org/abs/1807.10165",
)
UNETPP = Architecture(
    name="unetpp",
    summary="Nested U-Net of 32 … 512 channels (the original form of U-Net++).",
    make="segkit_baselines.unetpp:UNetPP",
    config=UNetPPConfig,
    paper=_UNETPP_PAPER,
    published=Published(9.16, 25.99, "3x192x256", "DermoMamba's table", MACS_NOTE),
    multiple=16,
    params=9_163_329,
    recipes=LIGHT,
)
UNETPP_R34 = Architecture(
    name="unetpp_r34",
    summary="U-Net++ over a ResNet-34 from scratch (the benchmark papers' form).",
    make="segkit_baselines.unetpp_r34:UNetPPR34",
    config=UNetPPR34Config,
    paper=_UNETPP_PAPER,
    published=Published(26.90, 37.62, AT_256, "benchmark papers' tables", MACS_NOTE),
    params=26_904_137,
    recipes=LIGHT,
)

DEEPLABV3PLUS = Architecture(
    name="deeplabv3plus",
    summary="DeepLabV3+ on a ResNet-18 from scratch.",
    make="segkit_baselines.deeplabv3plus:DeepLabV3Plus",
    config=DeepLabConfig,
    paper=Paper(
        "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation",
        "Chen, Zhu, Papandreou, Schroff and Adam",
        2018,
        "ECCV",
        "https://arxiv.org/abs/1802.02611",
    ),
    multiple=16,
    params=16_603_041,
    recipes=LIGHT,
    notes=("the paper's encoders are Xception and ResNet-101; this one is small on purpose",),
)

_SEGFORMER_PAPER = Paper(
    "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
    "Xie, Wang, Yu, Anandkumar, Alvarez and Luo",
    2021,
    "NeurIPS",
    "https://arxiv.org/abs/2105.15203",
)
_SEGFORMER_NOTE = "the published figures are for 150 classes at 512x512"
SEGFORMER_B0 = Architecture(
    name="segformer_b0",
    summary="SegFormer-B0 from scratch: 3.7 M parameters.",
    make="segkit_baselines.segformer:SegFormer",
    config=SegFormerConfig,
    paper=_SEGFORMER_PAPER,
    published=Published(3.8, 8.4, "3x512x512", "the paper", _SEGFORMER_NOTE),
    params=3_714_401,
    recipes=LIGHT,
    notes=("pretrained weights matter most for this network; here it starts from scratch",),
)
SEGFORMER_B1 = Architecture(
    name="segformer_b1",
    summary="SegFormer-B1 from scratch: 13.7 M parameters.",
    make="segkit_baselines.segformer:SegFormer",
    config=SegFormerB1Config,
    paper=_SEGFORMER_PAPER,
    published=Published(13.7, 15.9, "3x512x512", "the paper", _SEGFORMER_NOTE),
    params=13_677_505,
    recipes=LIGHT,
    notes=("pretrained weights matter most for this network; here it starts from scratch",),
)

RESENC_UNET = Architecture(
    name="resenc_unet",
    summary="Residual-encoder U-Net in nnU-Net's manner, instance norm, deep supervision.",
    make="segkit_baselines.resenc_unet:ResEncUNet",
    config=ResEncConfig,
    paper=Paper(
        "nnU-Net Revisited: A Call for Rigorous Validation in 3D Medical Image Segmentation",
        "Isensee et al.",
        2024,
        "MICCAI",
        "https://arxiv.org/abs/2404.09556",
    ),
    multiple=64,
    min_train_size=128,
    params=105_915_878,
    recipes={"nnunet": "segkit_baselines:resenc_unet.toml", **LIGHT},
    notes=("no 2-D parameter count was published; stages follow nnU-Net's rule for 256x256",),
)
