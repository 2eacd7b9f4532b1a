"""H-vmunet: High-order Vision Mamba UNet for Medical Image Segmentation (Neurocomputing 2025)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS


@dataclass(frozen=True)
class HVMUNetConfig:
    """Widths of the six stages; `drop_path` is the highest rate."""

    in_channels: int = 3
    num_classes: int = 1
    widths: tuple[int, int, int, int, int, int] = (8, 16, 32, 64, 128, 256)
    drop_path: float = 0.4


ARCHITECTURE = Architecture(
    name="hvmunet",
    summary="Gates of second to fifth order, a 2-D selective scan at every order.",
    make="segkit_baselines.hvmunet.model:HVMUNet",
    config=HVMUNetConfig,
    paper=Paper(
        "H-vmunet: High-order Vision Mamba UNet for Medical Image Segmentation",
        "Wu, Liu, Liang and Chang",
        2025,
        "Neurocomputing",
        "https://doi.org/10.1016/j.neucom.2025.129447",
    ),
    published=Published(8.97, 0.742, AT_256, "the paper", MACS),
    params=8_972_623,
    weights="segkit_baselines.hvmunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.hvmunet:paper.toml", **LIGHT},
    notes=(
        "dead as released, kept for the count, without gradient: the tensor of a frequency filter "
        "in every block (403,392)",
    ),
)
