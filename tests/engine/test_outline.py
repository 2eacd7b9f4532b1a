"""Networks without numbers: the shapes of the real ones, and no compiler loaded for them."""

import subprocess
import sys

import pytest
import torch

import segkit
from segkit import build
from segkit.engine.costs import counting
from segkit.engine.outline import outline


@pytest.mark.parametrize("name", ["qtseg", "vmpanet", "ultralbm_t", "ukan"])
def test_names_and_shapes_are_those_of_the_real_network(name):
    bare = outline(name, build.model_config(name)).state_dict()
    real = segkit.create(name).state_dict()
    assert list(bare) == list(real)
    assert all(value.is_meta and value.shape == real[key].shape for key, value in bare.items())


def test_counts_of_shapes_are_those_of_numbers():
    config = build.model_config("unext_s")
    real = counting.count(segkit.create("unext_s"), (1, 3, 64, 96))
    bare = counting.count(outline("unext_s", config), (1, 3, 64, 96))
    assert real == bare


def test_initialisation_loads_no_compiler():
    words = (
        "import sys; from segkit import build; from segkit.engine.outline import outline;"
        "outline('qtseg', build.model_config('qtseg')); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_numbers_are_drawn_again_afterwards():
    outline("unext_s", build.model_config("unext_s"))
    layer = torch.nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    torch.nn.init.normal_(layer.weight)
    assert not torch.equal(layer.weight, before)
