"""Probability scores against scikit-learn and direct thresholding."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from segkit.metrics import calibration
from segkit.metrics.confusion import counts


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    probability = generator.random((3, 20, 22)).astype(np.float32)
    probability[0, 0, :2] = 0.0, 1.0
    return probability, (generator.random((3, 20, 22)) < probability**2).astype(np.uint8)


def test_brier_is_scikit_learns(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probability, truth = sample
    found = calibration.soft_columns(probability, truth)["brier"]
    for i in range(3):
        expected = brier_score_loss(truth[i].ravel(), probability[i].ravel())
        assert found[i] == pytest.approx(expected, abs=1e-6)


def test_soft_dice_and_error_by_hand() -> None:
    probability = np.array([[[0.5, 1.0], [0.0, 0.5]]], dtype=np.float32)
    truth = np.array([[[1, 1], [0, 0]]])
    found = calibration.soft_columns(probability, truth)
    assert found["dice_soft"][0] == pytest.approx(2 * 1.5 / (2 + 2))
    assert found["mae_soft"][0] == pytest.approx(0.25)
    assert found["brier"][0] == pytest.approx(0.125)
    nothing = calibration.soft_columns(np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2)))
    assert nothing["dice_soft"][0] == 1.0


def test_counts_at_every_threshold(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probability, truth = sample
    levels = calibration.counts_at_levels(calibration.histogram(probability, truth))
    for level in (0, 1, 17, 128, 200, 255):
        direct = counts(probability >= level / 256, truth)
        for name in ("tp", "fp", "fn", "tn"):
            np.testing.assert_array_equal(getattr(levels, name)[:, level], getattr(direct, name))


def test_ece_by_brute_force(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probability = sample[0]  # too low below 0.45, too high above: the bin edges matter
    truth = (np.random.default_rng(1).random(probability.shape) < 0.45).astype(np.uint8)
    found = calibration.reliability(probability, truth)
    p, y = probability.ravel(), truth.ravel()
    gap = 0.0
    for low in np.arange(10) / 10:
        inside = np.minimum((p * 10).astype(int), 9) == round(10 * low)
        gap += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    assert float(calibration.ece(found.reshape(3, -1).sum(0))) == pytest.approx(gap, abs=1e-6)
    bins = calibration.bins(found)
    assert sum(row["count"] for row in bins) == p.size
    assert (bins[0]["low"], bins[-1]["high"]) == (0.0, 1.0)


def test_the_expected_dice_of_certain_and_of_undecided_probabilities():
    mask = np.zeros((2, 4, 4), bool)
    mask[:, 1:3, 1:3] = True
    probability = np.where(mask, 1.0, 0.0)
    probability[1] = 0.5
    found = calibration.expected_dice(probability, mask)
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(2 * 2.0 / (8.0 + 4.0))
    assert calibration.expected_dice(np.zeros((1, 4, 4)), np.zeros((1, 4, 4), bool))[0] == 1.0
