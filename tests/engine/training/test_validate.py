"""Validation figures by hand, for one, two and more logits."""

import numpy as np
import pytest
import torch
from torch import nn

from segkit.data.loader import Loader, LoaderSettings
from segkit.engine.training.objective import Objective
from segkit.engine.training.validate import score_of, validate
from segkit.recipe import FIGURES, LossRecipe


class Drawn:
    """Three pictures of 4 × 4 whose red channel holds the answer that `Reader` gives."""

    ids = ("a", "b", "c")

    def __init__(self, answers, masks):
        self.images = np.zeros((3, 4, 4, 3), np.uint8)
        self.images[..., 0] = answers
        self.masks = np.asarray(masks, np.uint8)


class Reader(nn.Module):
    """Logits of ±2 for the class that the picture names; 1 logit, or one per class."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, image):
        named = (image[:, 0] * 255).round().long()
        if self.classes == 1:
            return (4.0 * named - 2.0).unsqueeze(1)
        return 4.0 * nn.functional.one_hot(named, self.classes).movedim(-1, 1).float() - 2.0


def figures(answers, masks, classes, batch=2):
    source = Drawn(answers, masks)
    loader = Loader(source, source.ids, LoaderSettings(batch=batch))
    objective = Objective(LossRecipe(name="bce"))
    return validate(Reader(classes), loader, objective)


@pytest.fixture
def binary():
    """Rows 0-1 true, rows 1-2 predicted (Dice 1/2); both empty; a false alarm of 4 pixels."""
    masks, answers = np.zeros((3, 4, 4), int), np.zeros((3, 4, 4), int)
    masks[0, 0:2], answers[0, 1:3], answers[2, 0] = 1, 1, 1
    return answers, masks


@pytest.mark.parametrize("classes", [1, 2])
def test_binary_by_hand(binary, classes):
    found = figures(*binary, classes)
    assert found["dice_image"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["iou_image"] == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert found["dice_pooled"] == pytest.approx(2 * 4 / (8 + 12))
    assert found["iou_pooled"] == pytest.approx(4 / 16)
    assert found["predicted_share"] == pytest.approx(12 / 48)
    assert found["true_share"] == pytest.approx(8 / 48)


def test_soft_dice_and_loss_by_hand(binary):
    found = figures(*binary, 1)
    high, low = torch.sigmoid(torch.tensor([2.0, -2.0])).tolist()
    first = 2 * (4 * high + 4 * low) / (8 * high + 8 * low + 8)
    assert found["dice_soft"] == pytest.approx(first / 3, abs=1e-6)  # the others have no truth
    wrong, right = -np.log(low), -np.log(high)
    assert found["loss"] == pytest.approx((12 * wrong + 36 * right) / 48, abs=1e-6)


def test_several_classes_are_averaged_without_background():
    masks, answers = np.zeros((3, 4, 4), int), np.zeros((3, 4, 4), int)
    masks[:, 0], answers[:, 0] = 1, 1  # class 1 is always right
    masks[:, 1], answers[:, 2] = 2, 2  # class 2 never
    found = figures(answers, masks, 3)
    assert found["dice_image"] == pytest.approx(0.5)
    assert found["dice_pooled"] == pytest.approx(0.5)


def test_batches_change_nothing(binary):
    one, three = (figures(*binary, 1, batch=batch) for batch in (1, 3))
    assert one == pytest.approx(three)


def test_a_threshold_moves_the_decision(binary):
    source = Drawn(*binary)
    loader = Loader(source, source.ids, LoaderSettings())
    found = validate(Reader(1), loader, Objective(LossRecipe(name="bce")), threshold=0.9)
    assert found["predicted_share"] == 0


def test_scores_are_sums_and_losses_negative():
    found = dict.fromkeys(FIGURES, 0.25)
    assert score_of(found, "dice_image + iou_image") == 0.5
    assert score_of(found, "loss") == -0.25


def test_the_network_is_left_as_it_was(binary):
    source, network = Drawn(*binary), Reader(1).train()
    loader = Loader(source, source.ids, LoaderSettings())
    validate(network, loader, Objective(LossRecipe(name="bce")))
    assert network.training
