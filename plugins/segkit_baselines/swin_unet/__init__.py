"""Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation.

Cao, Wang, Chen, Jiang, Zhang, Tian and Wang, ECCV 2022 Workshops, LNCS 13803:205-218.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import Rules


@dataclass(frozen=True)
class SwinUnetConfig:
    """`windows`: window of each stage; 7 fits 224, 8 fits 256, 16 (or 8) fits 512 pixels."""

    in_channels: int = 3
    num_classes: int = 1
    windows: tuple[int, int, int, int] = (7, 7, 7, 7)
    drop_path: float = 0.2

    def __post_init__(self) -> None:
        if min(self.windows) < 2:
            raise ValueError("windows must be 2 or more")


_BLOCK = (  # names inside a block
    (r"(norm\d|attn\.qkv|attn\.proj)\.(.*)", r"\2.\3"),
    (r"attn\.(relative_position_bias_)(table)", r"attn.\3"),
    (r"mlp\.(fc1)\.(.*)", r"mlp.0.\3"),
    (r"mlp\.(fc2)\.(.*)", r"mlp.3.\3"),
)


def _stage(theirs: int, ours: str) -> Rules:
    """Two blocks of a stage of Swin-T, in the encoder or, turned round, in the decoder."""
    head = rf"layers\.{theirs}\.blocks\.([01])\."
    return tuple((head + inner, rf"{ours}.\1.{outer}") for inner, outer in _BLOCK)


FROM_SWIN = (
    (r"patch_embed\.proj\.(.*)", r"patch.\1"),
    (r"patch_embed\.norm\.(.*)", r"patch_norm.\1"),
    (r"layers\.(\d)\.downsample\.(.*)", r"merges.\1.\2"),
    (r"norm\.(.*)", r"norm.\1"),
    *(rule for number in range(4) for rule in _stage(number, f"encoder.{number}")),
    *(rule for number in range(3) for rule in _stage(number, f"decoder.{2 - number}")),
)

ARCHITECTURE = Architecture(
    name="swin_unet",
    summary="A U of shifted-window transformers, the tiny form: 27 M parameters.",
    make="segkit_baselines.swin_unet.model:SwinUnet",
    config=SwinUnetConfig,
    paper=Paper(
        "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation",
        "Cao et al.",
        2022,
        "ECCV Workshops",
        "https://arxiv.org/abs/2105.05537",
    ),
    published=Published(
        27.27,
        36.98,
        "3x512x512",
        "QTSeg's Table I",
        "windows of 16 pixels at 512; multiply-adds, norms counted in",
    ),
    size=(224, 224),
    multiple=224,
    params=27_168_132,
    no_decay=("table",),
    starts={"swin_t": "segkit_baselines.swin_unet:FROM_SWIN"},
    weights="segkit_baselines.swin_unet.released:LAYOUT",
    recipes={
        "paper": "segkit_baselines.swin_unet:paper.toml",
        "light": "segkit_baselines.swin_unet:light.toml",
    },
    cards={"swin-unet-isic2016": "segkit_baselines.swin_unet:card_isic2016.toml"},
    notes=(
        "pictures are padded to multiples of 224 pixels (of 256 with --set model.windows=8,8,8,8)",
        "the configuration file's decoder depths (2,2,2,1) are ignored by the released code: "
        "the decoder mirrors the encoder",
        "published runs start from Swin-T weights, in the decoder too (train --init swin_t)",
        "the released validation loader reads the training set",
    ),
)
