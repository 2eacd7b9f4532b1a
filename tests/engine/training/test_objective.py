"""The loss of a recipe: terms, deep supervision, class weights, soft borders."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.engine.training.objective import (
    Objective,
    Outputs,
    shrink_mask,
    soft_border,
    weigh_gradient,
)
from segkit.errors import UsageError
from segkit.recipe import LossRecipe, fill


@pytest.fixture
def case():
    torch.manual_seed(0)
    return torch.randn(2, 1, 8, 8, requires_grad=True), (torch.rand(2, 8, 8) > 0.5).long()


def bce(logits, mask):
    return F.binary_cross_entropy_with_logits(logits[:, 0], mask.float())


def test_terms_add_up_with_their_weights(case):
    logits, mask = case
    dice = Objective(LossRecipe(name="dice"))((logits,), mask)
    made = LossRecipe(name="bce", weight=2.0, extra=({"name": "dice", "weight": 0.5},))
    total = Objective(made)((logits,), mask)
    assert total.item() == pytest.approx(2 * bce(logits, mask).item() + 0.5 * dice.item())


def test_deep_supervision_by_hand(case):
    logits, mask = case
    small = torch.randn(2, 1, 4, 4)
    made = Objective(LossRecipe(name="bce", aux_weights=(1.0, 0.4)))
    up = F.interpolate(small, (8, 8), mode="bilinear", align_corners=False)
    expected = bce(logits, mask) + 0.4 * bce(up, mask)
    assert made((logits, small), mask).item() == pytest.approx(expected.item())
    assert made.deep


def test_targets_are_shrunk_where_the_recipe_says_so(case):
    logits, mask = case
    small = torch.randn(2, 1, 4, 4)
    made = Objective(LossRecipe(name="bce", aux_weights=(0.0, 1.0), aux_resize="target"))
    expected = bce(small, shrink_mask(mask, (4, 4), 1))
    assert made((logits, small), mask).item() == pytest.approx(expected.item())


def test_the_networks_own_weights_are_used_without_others():
    assert Objective(LossRecipe(name="bce"), (1.0, 1.0)).weights == (1.0, 1.0)
    assert Objective(LossRecipe(name="bce", aux_weights=(1.0,)), (1.0, 1.0)).weights == (1.0,)
    assert not Objective(LossRecipe(name="bce")).deep


def test_a_wrong_number_of_weights_is_said(case):
    logits, mask = case
    with pytest.raises(UsageError, match="has 2 items: the network gives 1"):
        Objective(LossRecipe(aux_weights=(1.0, 1.0)))((logits,), mask)


def test_shrinking_by_hand():
    mask = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 1], [2, 2, 0, 0], [2, 1, 0, 0]]])
    assert shrink_mask(mask.clamp_max(1), (2, 2), 1).tolist() == [[[1, 0], [1, 0]]]
    assert shrink_mask(mask, (2, 2), 3).tolist() == [[[0, 0], [2, 0]]]


def test_soft_border_is_the_loss_of_the_averaged_target(case):
    logits, mask = case
    target = torch.stack(soft_border(mask, 1)).float().mean(0)
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], target)
    made = Objective(LossRecipe(name="bce", smooth_border=1))
    assert made((logits,), mask).item() == pytest.approx(expected.item(), rel=1e-6)
    inside = torch.zeros(1, 9, 9, dtype=torch.long)
    inside[:, 3:6, 3:6] = 1
    soft = torch.stack(soft_border(inside, 1)).float().mean(0)[0]
    assert soft[4, 4] == 1
    assert soft[0, 0] == 0
    assert 0 < soft[3, 4] < 1
    assert 0 < soft[2, 4] < 1


def test_class_weights_are_those_of_cross_entropy(case):
    logits, mask = case
    weights = torch.tensor([0.5, 3.0])
    ours = bce(weigh_gradient(logits, mask, (0.5, 3.0)), mask)
    assert ours.item() == pytest.approx(bce(logits, mask).item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(ours, logits)
    peer = F.binary_cross_entropy_with_logits(
        logits[:, 0], mask.float(), weight=weights[mask], reduction="mean"
    )
    (expected,) = torch.autograd.grad(peer, logits)
    torch.testing.assert_close(gradient, expected)


def test_wrong_terms_are_refused():
    with pytest.raises(UsageError, match="name, weight, config"):
        fill(LossRecipe, {"extra": [{"loss": "dice"}]}, "loss")
    with pytest.raises(UsageError, match="unknown loss"):
        Objective(LossRecipe(name="dicee"))


def test_deep_supervision_of_a_network_with_one_output_is_refused():
    assert Outputs(nn.Identity(), deep=False)(torch.ones(1))[0] == 1
    with pytest.raises(UsageError, match="Identity has one"):
        Outputs(nn.Identity(), deep=True)
