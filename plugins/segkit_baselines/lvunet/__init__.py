"""LV-UNet: A Lightweight and Vanilla Model for Medical Image Segmentation (BIBM 2024)."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit.errors import UsageError
from segkit_baselines.facts import AT_256, LIGHT, MACS_AND_NORMS


@dataclass(frozen=True)
class LVUNetConfig:
    """`slope`: of the activation inside a block for negative values; at 1 the block can be fused.

    `fused`: the form for inference, with one convolution in place of two (its slope is 1).
    """

    in_channels: int = 3
    num_classes: int = 1
    slope: float = 0.0
    fused: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.slope <= 1:
            raise UsageError(f"slope is {self.slope}", "it runs from 0 (a ReLU) to 1 (nothing)")
        if self.fused and self.slope != 1:
            raise UsageError(
                "fused blocks have no activation inside",
                f"slope is {self.slope}",
                "Set model.slope=1 too.",
            )


FROM_MOBILENET = (
    (r"features\.0\.(.*)", r"stem.\1"),
    *(
        (rf"features\.{number}\.(.*)", rf"encoder.{stage}.{place}.\1")
        for stage, numbers in enumerate(((1, 2), (3, 4, 5), (6, 7, 8, 9)))
        for place, number in enumerate(numbers)
    ),
)

ARCHITECTURE = Architecture(
    name="lvunet",
    summary="MobileNetV3 features and plain blocks that collapse into one convolution each.",
    make="segkit_baselines.lvunet.model:LVUNet",
    config=LVUNetConfig,
    paper=Paper(
        "LV-UNet: A Lightweight and Vanilla Model for Medical Image Segmentation",
        "Jiang, Wang, Tian, Cheng and Liu",
        2024,
        "IEEE BIBM workshops",
        "https://arxiv.org/abs/2408.16886",
    ),
    published=Published(None, 0.205, AT_256, "the released code under thop", MACS_AND_NORMS),
    multiple=128,
    min_train_size=256,
    params=934_545,
    starts={"mobilenet_v3_large": "segkit_baselines.lvunet:FROM_MOBILENET"},
    weights="segkit_baselines.lvunet.released:LAYOUTS",
    recipes={"paper": "segkit_baselines.lvunet:paper.toml", **LIGHT},
    notes=(
        "published runs start from ImageNet weights of MobileNetV3-Large; from scratch is another "
        "experiment",
        "fused=true with slope=1 is the form for inference, 513,585 parameters; "
        "segkit_baselines.lvunet.model.fuse makes it from a network that was trained at slope 1",
    ),
)
