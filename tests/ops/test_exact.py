"""Islands of float32: neither autocast nor TF32 reaches inside, and what was set comes back."""

import numpy as np
import pytest
import torch

from segkit import ops
from segkit.data.augmenting import device
from segkit.data.augmenting.policy import AugmentationPlan
from segkit.ops.exact import float32_island, without_tf32


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def tf32():
    """As `segkit train` sets it on a GPU."""
    before = flags()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_flags_are_off_inside_and_come_back(tf32):
    with without_tf32():
        assert flags() == (False, False)
    assert flags() == (True, True)
    with pytest.raises(ZeroDivisionError), without_tf32():
        raise ZeroDivisionError
    assert flags() == (True, True)


def test_autocast_does_not_reach_an_island(tf32):
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with float32_island(x):
            assert (x @ x).dtype == torch.float32
            assert flags() == (False, False)
        assert (x @ x).dtype == torch.bfloat16


def seen_in(monkeypatch, owner, name) -> list[tuple[bool, bool]]:
    """The flags at each call of a function."""
    found, original = [], getattr(owner, name)

    def watched(*arguments, **settings):
        found.append(flags())
        return original(*arguments, **settings)

    monkeypatch.setattr(owner, name, watched)
    return found


def test_coordinates_of_device_augmentation_are_exact(tf32, monkeypatch):
    seen = seen_in(monkeypatch, torch, "einsum")
    turn = np.array([[0.0, -1.0, 7.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    plan = AugmentationPlan(8, 8, turn, None, (), (), 0)
    images, masks = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.zeros(1, 8, 8)
    device.apply([plan], images, masks.to(torch.uint8))
    assert seen == [(False, False)]


def test_scans_are_exact_forwards_and_backwards(tf32, monkeypatch):
    found = []
    original = ops.dispatch.for_ss2d

    def watched(args):
        found.append(flags())
        return original(args)

    monkeypatch.setattr(ops.dispatch, "for_ss2d", watched)
    x = torch.randn(1, 4, 5, 3, requires_grad=True)
    weights = (torch.randn(4, 1 + 4, 3), torch.randn(4, 3, 1), torch.randn(4, 3))
    ops.ss2d(x, *weights, -torch.ones(12, 2), torch.ones(12)).sum().backward()
    assert found == [(False, False)] * 2


def test_qtsegs_sums_over_positions_are_exact(tf32, monkeypatch):
    from segkit_qtseg.attention import ChannelAttention

    seen = seen_in(monkeypatch, torch.Tensor, "softmax")
    ChannelAttention()(torch.randn(1, 4, 3, 3))
    assert seen == [(False, False)]
