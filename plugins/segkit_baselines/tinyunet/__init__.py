"""TinyU-Net (Chen, Chen, Wang, Cheng, Zhang and Chen, MICCAI 2024): cascaded receptive fields."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT


@dataclass(frozen=True)
class TinyUNetConfig:
    """`fields`: how many receptive fields a block cascades (the paper's N)."""

    in_channels: int = 3
    num_classes: int = 1
    fields: int = 8

    def __post_init__(self) -> None:
        if self.fields not in (1, 2, 4, 8, 16, 32):
            raise ValueError("fields must be a power of two up to 32")


TINYUNET = Architecture(
    name="tinyunet",
    summary="Cascaded receptive fields: 0.48 M parameters.",
    make="segkit_baselines.tinyunet.model:TinyUNet",
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
    weights="segkit_baselines.tinyunet.released:LAYOUT",
    recipes={"paper": "segkit_baselines.tinyunet:paper.toml", **LIGHT},
)
