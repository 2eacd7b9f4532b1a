"""The distance transform against values worked out by hand, and against scipy's, exactly."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from segkit.ops import distance
from segkit.ops.distance import border_distance, distance_transform, squared_distance

TWO = 2**0.5
BY_HAND = [
    ([[0, 1, 1]], [[0, 1, 2]]),
    ([[1], [1], [0], [1]], [[2], [1], [0], [1]]),
    ([[0, 1, 1], [1, 1, 1], [1, 1, 0]], [[0, 1, 2], [1, TWO, 1], [2, 1, 0]]),
    ([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
]


@pytest.mark.parametrize(("mask", "expected"), BY_HAND)
def test_values_worked_out_by_hand(mask, expected):
    result = distance_transform(torch.tensor(mask))
    torch.testing.assert_close(result, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (29, 1), (16, 16), (33, 70), (96, 64)])
@pytest.mark.parametrize("density", [0.02, 0.5, 0.995])
def test_equals_scipy(shape, density):
    generator = np.random.default_rng(shape[0] * 100 + shape[1])
    mask = generator.random((5, *shape)) < density
    mask[:, 0, 0] = False
    expected = np.stack([ndimage.distance_transform_edt(item) for item in mask])
    squared = squared_distance(torch.from_numpy(mask)).numpy()
    assert np.array_equal(np.sqrt(squared.astype(np.float64)), expected)
    result = distance_transform(torch.from_numpy(mask), torch.float64).numpy()
    np.testing.assert_array_max_ulp(result, expected, 2)


def test_float32_is_the_rounded_value():
    mask = np.ones((200, 300), bool)
    mask[3, 7] = False
    expected = ndimage.distance_transform_edt(mask).astype(np.float32)
    result = distance_transform(torch.from_numpy(mask)).numpy()
    np.testing.assert_array_max_ulp(result, expected, 1)


def test_images_of_a_batch_do_not_touch_each_other():
    masks = torch.rand(6, 40, 30, generator=torch.manual_seed(0)) < 0.97
    together = distance_transform(masks)
    alone = torch.stack([distance_transform(item) for item in masks])
    assert torch.equal(together, alone)


def test_an_image_without_zeros_is_infinitely_far():
    masks = torch.ones(2, 5, 9)
    masks[1, 2, 3] = 0
    result = distance_transform(masks)
    assert torch.isinf(result[0]).all()
    assert torch.isfinite(result[1]).all()


def test_the_longest_distance_is_reached():
    mask = torch.ones(50, 60)
    mask[0, 0] = 0
    assert squared_distance(mask)[-1, -1].item() == 49**2 + 59**2


def test_the_pieces_of_the_row_pass_join(monkeypatch):
    mask = torch.rand(3, 20, 20, generator=torch.manual_seed(1)) < 0.9
    whole = distance_transform(mask)
    monkeypatch.setitem(distance._CHUNK, "cpu", 3 * 20 * 20)
    assert torch.equal(distance_transform(mask), whole)


def test_border_distance_is_to_the_other_class():
    row = torch.tensor([[0, 0, 1, 1, 1, 0]])
    assert border_distance(row).tolist() == [[2, 1, 1, 2, 1, 1]]
    assert torch.isinf(border_distance(torch.zeros(1, 4, 4))).all()
    assert torch.isinf(border_distance(torch.ones(1, 4, 4))).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.float32])
def test_any_mask_type(dtype):
    mask = torch.tensor([[0, 1, 1]]).to(dtype)
    assert distance_transform(mask).tolist() == [[0, 1, 2]]


def test_a_side_beyond_the_integers_is_refused():
    with pytest.raises(ValueError, match="below 16,000"):
        distance_transform(torch.zeros(1, 32_001))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_same_and_never_waits_for_the_host():
    masks = torch.rand(4, 96, 128, generator=torch.manual_seed(0)) < 0.99
    expected = distance_transform(masks)
    on_device = masks.cuda()
    distance_transform(on_device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = distance_transform(on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(result.cpu(), expected)
