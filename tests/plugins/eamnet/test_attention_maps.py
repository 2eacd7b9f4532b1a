"""The maps that reports show: what each CMAM's spatial stream lets through."""

import pytest
import torch

import segkit
from segkit.build import architecture


@pytest.mark.parametrize("size", [(32, 48), (40, 50)])
def test_one_gate_per_level_at_its_own_size(size):
    network = segkit.create("eamnet", widths=(8, 8, 16, 16), bottleneck=16).eval()
    image = torch.rand(2, 3, *size)
    with torch.inference_mode():
        before = network(image)
        maps = getattr(network, architecture("eamnet").maps)(image)
        after = network(image)
    assert list(maps) == ["CMAM 1", "CMAM 2", "CMAM 3", "CMAM 4"]
    for level, gate in enumerate(maps.values()):
        assert gate.shape == (2, 1, *(-(-side // 2**level) for side in size))
        assert 0 <= gate.min() < gate.max() <= 1
    torch.testing.assert_close(before, after)  # the hooks are gone
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_without_mixing_there_are_no_maps():
    network = segkit.create("eamnet", widths=(8, 8, 16, 16), bottleneck=16, cmam="none")
    assert network.attention(torch.rand(1, 3, 32, 32)) == {}
