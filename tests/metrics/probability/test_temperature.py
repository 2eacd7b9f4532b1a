"""The temperature against a search on the pixels themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from segkit.metrics.probability import temperature


def drawn(true: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too sure by a factor, with the truth that they should have said."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(0, 2, (50, 60))
    y = generator.random(logit.shape) < 1 / (1 + np.exp(-logit))
    return (1 / (1 + np.exp(-logit * true))), y


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0, 3.5])
def test_equal_to_a_search_on_pixels(true):
    p, y = drawn(true)
    logit = np.log(p) - np.log1p(-p)

    def loss(t: float) -> float:
        return float(np.logaddexp(0, np.where(y, -logit, logit) / t).mean())

    expected = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
    found = temperature.logit_histogram(p, y)
    assert temperature.fit(found) == pytest.approx(expected, rel=2e-3)
    assert temperature.fit(found) == pytest.approx(true, rel=0.1)
    assert temperature.log_loss(found) == pytest.approx(loss(1.0), abs=1e-3)


def test_a_fitted_temperature_mends_the_other_part():
    val, test = (temperature.logit_histogram(*drawn(3.0, seed)) for seed in (1, 2))
    made = temperature.report(val, test)
    assert made["test_ece"] < made["test_ece_default"] / 3
    assert made["test_log_loss"] < made["test_log_loss_default"]


def test_certain_pixels_are_finite():
    found = temperature.logit_histogram(np.array([0.0, 1.0]), np.array([1, 0]))
    assert np.isfinite(temperature.log_loss(found))
