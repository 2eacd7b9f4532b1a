"""SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation.

Badrinarayanan, Kendall and Cipolla, IEEE TPAMI 39(12):2481-2495 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import LIGHT, Rules


@dataclass(frozen=True)
class SegNetConfig:
    """SegNet has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


_GROUPS = (2, 2, 3, 3, 3)  # convolutions of VGG-16 between poolings


def _vgg(layers: int) -> Rules:
    """`features.N` counts through convolutions, norms, activations and poolings."""
    rules, place = [], 0
    for group, count in enumerate(_GROUPS):
        for conv in range(count):
            for inner in range(layers - 1):  # the convolution, and its norm if there is one
                name = rf"encoder.{group}.{conv}.{inner}.\1"
                rules.append((rf"features\.{place + inner}\.(.*)", name))
            place += layers
        place += 1
    return tuple(rules)


FROM_VGG, FROM_VGG_BN = _vgg(2), _vgg(3)

ARCHITECTURE = Architecture(
    name="segnet",
    summary="VGG-16 whose decoder un-pools where the encoder pooled: 29 M parameters.",
    make="segkit_baselines.segnet.model:SegNet",
    config=SegNetConfig,
    paper=Paper(
        "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation",
        "Badrinarayanan, Kendall and Cipolla",
        2017,
        "IEEE TPAMI",
        "https://arxiv.org/abs/1511.00561",
    ),
    published=Published(),
    size=(512, 512),
    params=29_443_585,
    starts={
        "vgg16": "segkit_baselines.segnet:FROM_VGG",
        "vgg16_bn": "segkit_baselines.segnet:FROM_VGG_BN",
    },
    recipes={
        "paper": "segkit_baselines.segnet:paper.toml",
        **LIGHT,
    },
    cards={"segnet-fives": "segkit_baselines.segnet:card_fives.toml"},
    notes=(
        "built from the paper (the authors' release is Caffe); the port behind the row of QTSeg's "
        "Table II shares weights between encoder and decoder (16,310,273 parameters)",
        "the encoder takes VGG-16's ImageNet weights (train --init vgg16 or vgg16_bn)",
    ),
)
