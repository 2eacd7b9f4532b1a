"""The U-Net: its count by hand, its options, its shapes."""

from itertools import pairwise

import pytest
import torch

import segkit
from segkit.errors import UsageError


def count_by_hand(width, levels, up):
    widths = [width * 2**level for level in range(levels)]
    double = lambda a, b: 9 * a * b + 9 * b * b + 4 * b  # noqa: E731 - the formula of one block
    total = sum(double(a, b) for a, b in zip([3, *widths], widths, strict=False))
    for shallow, deep in pairwise(widths):
        kernel = 4 if up == "transposed" else 1
        total += kernel * deep * shallow + shallow + double(2 * shallow, shallow)
    return total + width + 1


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize("up", ["bilinear", "transposed"])
def test_parameters(width, up):
    network = segkit.create("unet", width=width, up=up)
    assert sum(p.numel() for p in network.parameters()) == count_by_hand(width, 5, up)


def test_levels_and_classes():
    network = segkit.create("unet", width=4, levels=3, num_classes=4, in_channels=1)
    assert network(torch.zeros(2, 1, 30, 22)).shape == (2, 4, 30, 22)


def test_contradictions_are_refused():
    with pytest.raises(UsageError, match="levels between 2 and 7"):
        segkit.create("unet", levels=1)
