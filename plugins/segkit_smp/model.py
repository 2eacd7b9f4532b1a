"""Wraps a network of segmentation_models.pytorch so that it takes any size and returns logits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from segkit.errors import MissingExtra, SegkitError
from segkit.nn.padding import run_padded
from segkit_smp import SmpConfig

MULTIPLE = 32


class Bridge(nn.Module):
    """The library's network behind segkit's padding."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return run_padded(self.network, image, MULTIPLE)


def build(architecture: str, config: SmpConfig) -> Bridge:
    """The network, or a line that says what is missing."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        if error.name == "segmentation_models_pytorch":
            purpose = f"the architecture 'smp.{architecture}'"
            raise MissingExtra("segmentation_models_pytorch", "smp", purpose) from error
        raise SegkitError(
            "segmentation_models_pytorch cannot be imported",
            str(error),
            "Install the torchvision release that fits your torch.",
        ) from error
    network = smp.create_model(
        architecture,
        encoder_name=config.encoder,
        encoder_weights=config.weights,
        in_channels=config.in_channels,
        classes=config.num_classes,
    )
    return Bridge(network)


def _maker(architecture: str) -> Callable[[SmpConfig], Bridge]:
    return partial(build, architecture)


make_unet = _maker("unet")
make_unetplusplus = _maker("unetplusplus")
make_manet = _maker("manet")
make_linknet = _maker("linknet")
make_fpn = _maker("fpn")
make_pspnet = _maker("pspnet")
make_pan = _maker("pan")
make_deeplabv3plus = _maker("deeplabv3plus")
make_segformer = _maker("segformer")
make_upernet = _maker("upernet")
