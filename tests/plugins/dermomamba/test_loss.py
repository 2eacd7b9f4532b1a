"""Guide Fusion Loss: measured values of the three variants, and what each does to neighbours."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from segkit.engine.training.objective import make_loss
from segkit.errors import UsageError
from segkit_dermomamba.loss import border_weight, legacy_weight

VALUES = {"legacy": 1.049496219, "scalar": 1.236773186, "spatial": 1.797407987}


@pytest.fixture(scope="module")
def masks():
    row, column = torch.arange(192.0)[:, None], torch.arange(256.0)
    first = (row - 90) ** 2 + (column - 120) ** 2 < 2500
    second = (row - 60) ** 2 / 4 + (column - 180) ** 2 < 900
    return torch.stack([first, second]).long()


@pytest.fixture(scope="module")
def logits(make_input):
    return 8 * make_input((2, 1, 192, 256), 23) - 4


def loss_of(variant):
    return make_loss("guide_fusion", {"variant": variant})


@pytest.mark.parametrize("variant", VALUES)
def test_measured_values(variant, logits, masks):
    assert logits.flatten()[:2].tolist() == pytest.approx([-3.418036982, 3.807298923], abs=1e-9)
    assert loss_of(variant)(logits, masks).item() == pytest.approx(VALUES[variant], abs=2e-8)
    single = loss_of(variant)(logits.float(), masks)
    assert single.item() == pytest.approx(VALUES[variant], abs=2e-6)


def test_the_default_is_spatial(logits, masks):
    assert make_loss("guide_fusion")(logits, masks) == loss_of("spatial")(logits, masks)


def test_border_maps(masks):
    means = border_weight(masks.double()).double().mean((1, 2))
    assert means.tolist() == pytest.approx([0.050876449, 0.043796322], abs=1e-8)
    assert legacy_weight(masks.double()).mean().item() == pytest.approx(0.163974460, abs=1e-7)
    assert border_weight(masks).max() == 0.5  # beside the border, never above


def test_parts_of_the_legacy_loss(logits, masks):
    p, y = logits.sigmoid()[:, 0], masks.double()
    dice = (2 * (p * y).sum() + 1e-3) / (p.sum() + y.sum() + 1e-3)
    assert 1 - dice.item() == pytest.approx(0.784902735, abs=1e-9)
    double = torch.nn.functional.binary_cross_entropy(p.sigmoid(), y).item()
    assert double == pytest.approx(0.920792217, abs=1e-9)
    expected = double + (1 - dice.item()) * 0.163974460
    assert loss_of("legacy")(logits, masks).item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("variant", ["scalar", "spatial"])
def test_batch_composition_does_not_matter(variant, logits, masks):
    loss = loss_of(variant)
    alone = [loss(logits[i : i + 1], masks[i : i + 1]) for i in range(2)]
    assert loss(logits, masks).item() == pytest.approx(torch.stack(alone).mean().item(), abs=1e-12)


def test_in_the_legacy_loss_neighbours_change_each_other(logits, masks):
    loss = loss_of("legacy")
    alone = [loss(logits[i : i + 1], masks[i : i + 1]).item() for i in range(2)]
    assert abs(loss(logits, masks).item() - sum(alone) / 2) > 0.01


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_the_legacy_map_is_scipys_over_the_whole_block(density):
    """With one class only, scipy measures to a point outside the array; so does the map."""
    mask = torch.rand(4, 1, 9, 11, generator=torch.manual_seed(0)) < density
    both = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    result = legacy_weight(mask[:, 0]).numpy()
    np.testing.assert_allclose(result, 1 / (1 + both[:, 0]), rtol=1e-6)


def test_the_legacy_map_bridges_pictures_without_a_border():
    mask = torch.zeros(3, 1, 4, 5)
    mask[2] = 1
    both = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(1 - mask)
    np.testing.assert_allclose(legacy_weight(mask[:, 0]).numpy(), 1 / (1 + both[:, 0]), rtol=1e-6)


@pytest.mark.parametrize("variant", VALUES)
@pytest.mark.parametrize("value", [0, 1])
def test_masks_of_one_class_are_finite(variant, value):
    logits = torch.randn(2, 1, 16, 16, generator=torch.manual_seed(0)).requires_grad_()
    loss = loss_of(variant)(logits, torch.full((2, 16, 16), value))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert logits.grad.any()


def test_without_a_border_every_pixel_weighs_one():
    assert torch.equal(border_weight(torch.zeros(1, 3, 4)), torch.ones(1, 3, 4))


def test_masks_of_0_and_255_mean_the_same(logits, masks):
    loss = loss_of("spatial")
    assert loss(logits, masks * 255) == loss(logits, masks)


def test_two_logit_channels_are_refused():
    with pytest.raises(UsageError, match="2 logit channels"):
        loss_of("spatial")(torch.zeros(1, 2, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long))


@pytest.mark.parametrize("variant", VALUES)
def test_half_precision_logits_are_lifted(variant, logits, masks):
    loss = loss_of(variant)(logits.half(), masks)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(VALUES[variant], abs=2e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("variant", VALUES)
def test_on_a_gpu_it_never_waits_for_the_host(variant, logits, masks):
    loss, on_device, truth = loss_of(variant), logits.float().cuda(), masks.cuda()
    loss(on_device, truth)
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = loss(on_device, truth)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert result.item() == pytest.approx(VALUES[variant], abs=2e-5)
