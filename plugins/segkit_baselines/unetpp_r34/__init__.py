"""U-Net++ over a ResNet-34, the form that benchmark papers run under the same name."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper, Published
from segkit_baselines.facts import AT_256, LIGHT, MACS_AND_NORMS, torchvision_resnet


@dataclass(frozen=True)
class UNetPPR34Config:
    """U-Net++ over a ResNet-34 has no other settings."""

    in_channels: int = 3
    num_classes: int = 1


_UNETPP_PAPER = Paper(
    "UNet++: A Nested U-Net Architecture for Medical Image Segmentation",
    "Zhou, Siddiquee, Tajbakhsh and Liang",
    2018,
    "DLMIA",
    "https://arxiv.org/abs/1807.10165",
)


FROM_RESNET = torchvision_resnet("encoder.stem", "encoder.stages.{}")


UNETPP_R34 = Architecture(
    name="unetpp_r34",
    summary="U-Net++ over a ResNet-34 from scratch (the benchmark papers' form).",
    make="segkit_baselines.unetpp_r34.model:UNetPPR34",
    config=UNetPPR34Config,
    paper=_UNETPP_PAPER,
    published=Published(26.90, 37.62, AT_256, "benchmark papers' tables", MACS_AND_NORMS),
    params=26_904_137,
    weights="segkit_baselines.unetpp_r34.released:LAYOUT",
    recipes=LIGHT,
    starts={"resnet34": "segkit_baselines.unetpp_r34:FROM_RESNET"},
)
