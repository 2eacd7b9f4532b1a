"""VM-UNet (Ruan, Li and Xiang, 2024): visual state-space blocks in a U; from scratch."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, vmamba


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


_VMUNET_PAPER = Paper(
    "VM-UNet: Vision Mamba UNet for Medical Image Segmentation",
    "Ruan, Li and Xiang",
    2024,
    "arXiv",
    "https://arxiv.org/abs/2402.02491",
)


FROM_VMAMBA = (
    *vmamba("", "encoder"),
    (r"patch_embed\.proj\.(.*)", r"patch.\1"),
    (r"patch_embed\.norm\.(.*)", r"patch_norm.\1"),
)

VMUNET = Architecture(
    name="vmunet",
    summary="Visual state-space blocks in a U, the ISIC configuration: 27 M parameters.",
    make="segkit_baselines.vmunet.model:VMUNet",
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
    starts=dict.fromkeys(("vmamba_t", "vmamba_s"), "segkit_baselines.vmunet:FROM_VMAMBA"),
    weights="segkit_baselines.vmunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.vmunet:paper.toml", **LIGHT},
    notes=("published runs start from ImageNet weights; from scratch is another experiment",),
)


VMUNET_FULL = Architecture(
    name="vmunet_full",
    summary="VM-UNet at the released class's own depths: 44 M parameters.",
    make="segkit_baselines.vmunet.model:VMUNet",
    config=VMUNetFullConfig,
    paper=_VMUNET_PAPER,
    params=44_273_833,
    starts=dict.fromkeys(("vmamba_t", "vmamba_s"), "segkit_baselines.vmunet:FROM_VMAMBA"),
    weights="segkit_baselines.vmunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.vmunet:paper.toml", **LIGHT},
)
