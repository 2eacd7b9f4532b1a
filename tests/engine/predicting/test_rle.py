"""Run lengths: by hand, and there and back."""

import numpy as np
import pytest

from segkit.engine.predicting import rle


def test_runs_go_down_the_columns_and_begin_with_zeros():
    mask = np.array([[0, 1, 1], [0, 1, 0]])  # columns: 00, 11, 10
    assert rle.runs(mask) == [2, 3, 1]
    assert rle.runs(1 - mask) == [0, 2, 3, 1]


def test_the_text_of_small_runs_by_hand():
    """2, 3, 1 as letters 48 above; the fourth run as its difference to the second."""
    assert rle.encode(np.array([[0, 1, 1], [0, 1, 0]])) == "231"
    # 0, 2, 3, 1: the last is 1 - 2 = -1, all five bits set
    assert rle.encode(np.array([[1, 0, 0], [1, 0, 1]])) == "023O"


def test_a_long_run_takes_two_letters():
    """100 = 3 * 32 + 4: the low five bits with the sign that more follow, then 3."""
    assert rle.encode(np.zeros((10, 10))) == chr(48 + 4 + 32) + chr(48 + 3)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (200, 3)])
def test_there_and_back(density, shape):
    mask = (np.random.default_rng(0).random(shape) < density).astype(np.uint8)
    assert np.array_equal(rle.decode(rle.encode(mask), *shape), mask)


def test_cocos_own_tools_read_it():
    tools = pytest.importorskip("pycocotools.mask")
    mask = (np.random.default_rng(1).random((40, 60)) < 0.3).astype(np.uint8)
    ours = {"size": [40, 60], "counts": rle.encode(mask).encode()}
    assert np.array_equal(tools.decode(ours), mask)
    assert tools.encode(np.asfortranarray(mask))["counts"] == ours["counts"]
