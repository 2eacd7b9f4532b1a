"""The segmenter: preprocessing, test-time augmentation, ensembles, and the one rule for masks."""

import numpy as np
import pytest
import torch
from torch import nn

from segkit.engine.predicting import tta
from segkit.engine.predicting.segmenter import Segmenter, masks_from, pick_device
from segkit.errors import UsageError


class Red(nn.Module):
    """Answers the red channel as a logit: so positions can be followed."""

    def __init__(self, channels: int = 1, gain: float = 1.0):
        super().__init__()
        self.channels, self.gain = channels, gain

    def forward(self, image):
        return torch.cat([image[:, :1] * self.gain * k for k in range(1, self.channels + 1)], 1)


class Slanted(nn.Module):
    """Adds a slope along the columns: not equivariant, so that augmentation changes the answer."""

    def forward(self, image):
        return image[:, :1] + torch.linspace(-3, 3, image.shape[3])


def segmenter(*networks, **settings):
    settings = {"size": (8, 12), "device": "cpu", **settings}
    return Segmenter(networks or (Red(),), **settings)


def pictures(count=2, size=(8, 12)):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def test_probability_is_the_sigmoid_of_the_normalised_picture():
    images = pictures()
    result = segmenter().probabilities(images)
    expected = torch.sigmoid(torch.from_numpy(images[..., 0] / 255.0).float())
    assert result.shape == (2, 1, 8, 12)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result[:, 0], expected)


def test_several_channels_are_a_softmax():
    result = segmenter(Red(3)).probabilities(pictures())
    assert result.shape == (2, 3, 8, 12)
    torch.testing.assert_close(result.sum(1), torch.ones(2, 8, 12))


def test_the_rule_of_the_run_is_applied():
    images = pictures()
    unit = segmenter(rule="unit").probabilities(images)
    signed = segmenter(rule="half").probabilities(images)
    torch.testing.assert_close(torch.logit(signed), torch.logit(unit) * 2 - 1, atol=1e-5, rtol=1e-5)


def test_an_ensemble_is_the_mean_of_probabilities():
    images = pictures()
    one = segmenter(Red(gain=1.0)).probabilities(images)
    other = segmenter(Red(gain=-4.0)).probabilities(images)
    both = segmenter(Red(gain=1.0), Red(gain=-4.0)).probabilities(images)
    torch.testing.assert_close(both, (one + other) / 2)


@pytest.mark.parametrize("mode", tta.MODES)
def test_augmentation_does_not_move_an_equivariant_answer(mode):
    images = pictures()
    torch.testing.assert_close(
        segmenter(tta=mode).probabilities(images), segmenter().probabilities(images)
    )


@pytest.mark.parametrize("mode", ["flips", "d4"])
def test_augmentation_makes_the_answer_symmetric(mode):
    flat = np.full((1, 8, 12, 3), 100, np.uint8)
    plain = segmenter(Slanted()).probabilities(flat)
    averaged = segmenter(Slanted(), tta=mode).probabilities(flat)
    assert not torch.allclose(plain, plain.flip(3))
    torch.testing.assert_close(averaged, averaged.flip(3))


@pytest.mark.parametrize("view", tta.views("d4"))
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_each_view_is_undone(view, kind):
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    array = torch.from_numpy(array) if kind == "torch" else array
    assert (tta.undo(tta.apply(array, view), view) == array).all()


def test_the_eight_views_differ():
    array = np.arange(16).reshape(1, 1, 4, 4)
    seen = {tta.apply(array, view).tobytes() for view in tta.views("d4")}
    assert len(seen) == 8


def test_masks_are_above_the_threshold_or_the_best_class():
    binary = np.array([[[[0.2, 0.5, 0.6]]]], np.float32)
    assert masks_from(binary, 0.5).tolist() == [[[0, 0, 1]]]
    assert masks_from(torch.from_numpy(binary), 0.1).tolist() == [[[1, 1, 1]]]
    classes = np.array([[[[0.5, 0.1]], [[0.2, 0.3]], [[0.3, 0.6]]]], np.float32)
    assert masks_from(classes).tolist() == [[[0, 2]]]
    assert masks_from(classes).dtype == np.uint8
    assert masks_from(torch.from_numpy(classes)).dtype == torch.uint8


def test_tensors_and_arrays_give_the_same():
    images = pictures()
    one = segmenter().probabilities(images)
    torch.testing.assert_close(segmenter().probabilities(torch.from_numpy(images)), one)


def test_networks_are_put_in_eval_mode():
    network = nn.Sequential(Red(), nn.Dropout(0.9))
    network.train()
    made = segmenter(network)
    torch.testing.assert_close(made.probabilities(pictures()), made.probabilities(pictures()))


def test_unknown_modes_and_devices_are_usage_errors():
    with pytest.raises(UsageError, match="flips"):
        segmenter(tta="flip")
    with pytest.raises(UsageError, match="known"):
        pick_device("toaster")
