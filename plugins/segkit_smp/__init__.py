"""A bridge to segmentation_models.pytorch (extra `smp`): its networks under segkit's rules.

The library is imported when a network is built, not before. It needs torchvision to fit torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.api import Architecture, Paper


@dataclass(frozen=True)
class SmpConfig:
    """`encoder` and `weights` as the library names them; no weights means from scratch."""

    in_channels: int = 3
    num_classes: int = 1
    encoder: str = "resnet34"
    weights: str | None = None


_NAMES = {
    "unet": "U-Net",
    "unetplusplus": "U-Net++",
    "manet": "MA-Net",
    "linknet": "LinkNet",
    "fpn": "FPN",
    "pspnet": "PSPNet",
    "pan": "PAN",
    "deeplabv3plus": "DeepLabV3+",
    "segformer": "SegFormer",
    "upernet": "UPerNet",
}


def _bridge(name: str, title: str) -> Architecture:
    return Architecture(
        name=f"smp.{name}",
        summary=f"{title} of segmentation_models.pytorch, any of its encoders.",
        make=f"segkit_smp.model:make_{name}",
        config=SmpConfig,
        paper=Paper(
            "Segmentation Models Pytorch",
            "Iakubovskii",
            2019,
            "GitHub",
            "https://github.com/qubvel-org/segmentation_models.pytorch",
        ),
        requires=("segmentation_models_pytorch",),
        extra="smp",
        notes=("untested by segkit's own tests: the library does not install beside their torch",),
    )


UNET, UNETPLUSPLUS, MANET, LINKNET, FPN, PSPNET, PAN, DEEPLABV3PLUS, SEGFORMER, UPERNET = (
    _bridge(name, title) for name, title in _NAMES.items()
)
