"""Networks without their scans: parameters, shapes, what is left alone."""

import pytest
import torch
from torch import nn

import segkit
from segkit import build
from segkit.errors import SegkitError, UsageError
from segkit.nn import SS2D
from segkit.nn.mamba1d import Mamba1d
from segkit.nn.twins import Twin1d, Twin2d, nearest_odd_side


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_convolution_of_a_mamba_block_has_exactly_its_parameters():
    block = Mamba1d(8)
    many = count(block)
    twin = Twin1d(block, "conv")
    assert count(twin) == many
    assert twin(torch.randn(2, 12, 8)).shape == (2, 12, 8)


def test_the_convolution_of_ss2d_is_the_nearest_odd_square():
    block = SS2D(16)
    many = count(block)
    twin = Twin2d(block, "conv")
    inner = 32
    assert twin.mixer.kernel_size == (15, 15)  # 4 (2·1 + 3·16 + 2) - 1 = 207 taps: 15² = 225
    assert count(twin) == many + inner * (15 * 15 + 1 - 208)
    assert twin(torch.randn(1, 5, 7, 16)).shape == (1, 5, 7, 16)


@pytest.mark.parametrize(("taps", "side"), [(1, 1), (9, 3), (16, 3), (20, 5), (207, 15)])
def test_the_nearest_odd_side(taps, side):
    assert nearest_odd_side(taps) == side


def test_a_twin_begins_near_the_identity():
    """As the scan does, whose skip D begins at one."""
    torch.manual_seed(0)
    twin = Twin2d(SS2D(8), "conv")
    middle = twin.mixer.weight[:, 0, 7, 7]
    assert (middle > 0.9).all()
    assert twin.mixer.weight.abs().sum() - middle.sum() < 0.2 * twin.mixer.weight.numel()


def test_identity_leaves_a_gate_and_a_short_convolution():
    block = Mamba1d(4)
    scan = count(block) - count(block.in_proj) - count(block.conv1d) - count(block.out_proj)
    many = count(block)
    twin = Twin1d(block, "identity")
    assert count(twin) == many - scan
    tokens = torch.randn(1, 9, 4)
    changed = tokens.clone()
    changed[:, 8] += 1.0
    assert torch.equal(
        twin(tokens)[:, :8], twin(changed)[:, :8]
    )  # still causal: nothing mixes more


@pytest.mark.parametrize("kind", build.TWINS)
@pytest.mark.parametrize("name", ["ultralight_vmunet", "vmpanet"])
def test_a_network_by_its_twin_s_name(name, kind):
    network = segkit.create(f"{name}@{kind}").eval()
    assert not any(isinstance(module, SS2D | Mamba1d) for module in network.modules())
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64)).shape[-2:] == (64, 64)


def test_the_scan_itself_stays_where_no_twin_is_asked_for():
    assert any(isinstance(m, Mamba1d) for m in segkit.create("ultralight_vmunet").modules())
    assert count(segkit.create("ultralight_vmunet@conv")) == 49_457


def test_a_network_without_a_scan_has_no_twin():
    with pytest.raises(UsageError, match="no scan to replace"):
        segkit.create("unet@conv")


def test_an_unknown_twin_is_an_error_with_the_names():
    with pytest.raises(SegkitError, match="conv"):
        build.architecture("vmpanet@convolution")


def test_a_gradient_reaches_every_parameter():
    twin = nn.Sequential(Twin1d(Mamba1d(4), "conv"))
    twin(torch.randn(1, 60, 4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in twin.parameters())
