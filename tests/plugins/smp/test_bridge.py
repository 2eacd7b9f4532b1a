"""The bridge, with a stand-in for the library, which cannot be installed beside this torch."""

import sys
import types

import pytest
import torch

import segkit
from segkit.errors import MissingExtra, SegkitError
from segkit.testing import assert_passes, check_architecture


@pytest.fixture
def library(monkeypatch):
    """A module that answers `create_model` as the library does, and remembers what was asked."""
    asked = {}

    class Network(torch.nn.Module):
        def __init__(self, in_channels, classes):
            super().__init__()
            self.down = torch.nn.Conv2d(in_channels, 4 * classes, 32, stride=32)
            self.up = torch.nn.ConvTranspose2d(4 * classes, classes, 32, stride=32)

        def forward(self, x):
            if x.shape[-1] % 32 or x.shape[-2] % 32:
                raise RuntimeError("the library takes multiples of 32 only")
            return self.up(self.down(x))

    def create(arch, encoder_name, encoder_weights, in_channels, classes):
        asked.update(arch=arch, encoder=encoder_name, weights=encoder_weights)
        return Network(in_channels, classes)

    module = types.ModuleType("segmentation_models_pytorch")
    module.create_model = create
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", module)
    return asked


def test_settings_reach_the_library(library):
    network = segkit.create("smp.unet", encoder="resnet18", num_classes=3)
    assert library == {"arch": "unet", "encoder": "resnet18", "weights": None}
    assert network(torch.zeros(1, 3, 50, 33)).shape == (1, 3, 50, 33)


def test_the_contract_holds_around_it(library):
    assert_passes(check_architecture("smp.deeplabv3plus"))


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises((MissingExtra, SegkitError), match="segmentation_models_pytorch"):
        segkit.create("smp.unet")
