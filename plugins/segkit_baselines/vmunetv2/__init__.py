"""VM-UNetV2: Rethinking Vision Mamba UNet for Medical Image Segmentation (2024)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS_AND_NORMS


@dataclass(frozen=True)
class VMUNetV2Config:
    """Blocks per encoder stage; `supervision` adds the coarser head's map to the logits."""

    in_channels: int = 3
    num_classes: int = 1
    depths: tuple[int, int, int, int] = (2, 2, 9, 2)
    drop_path: float = 0.2
    supervision: bool = True


ARCHITECTURE = Architecture(
    name="vmunetv2",
    summary="VMamba's encoder; the decoder multiplies the levels with one another.",
    make="segkit_baselines.vmunetv2.model:VMUNetV2",
    config=VMUNetV2Config,
    paper=Paper(
        "VM-UNET-V2: Rethinking Vision Mamba UNet for Medical Image Segmentation",
        "Zhang et al.",
        2024,
        "arXiv",
        "https://arxiv.org/abs/2403.09157",
    ),
    published=Published(22.77, 4.40, AT_256, "later papers' tables", MACS_AND_NORMS),
    params=22_770_934,
    starts=dict.fromkeys(("vmamba_t", "vmamba_s"), "segkit_baselines.vmunet:FROM_VMAMBA"),
    weights="segkit_baselines.vmunetv2.released:LAYOUT",
    recipes={"paper": "segkit_baselines.vmunetv2:paper.toml", **LIGHT},
    cards={"vmunetv2-isic2016": "segkit_baselines.vmunetv2:card_isic2016.toml"},
    notes=(
        "published runs start from ImageNet weights; from scratch is another experiment",
        "dead as released, kept for the count, without gradient and not run: the encoder's last "
        "stage (8,911,872), a fourth transposed convolution, two heads",
    ),
)
