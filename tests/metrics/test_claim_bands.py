"""Claim bands: by hand, and against a simulation of the model."""

import math

import numpy as np
import pytest

from segkit.errors import UsageError
from segkit.metrics.auditing import bands


def test_a_band_by_hand():
    low, high = bands.band(0.9, 100, sd=0.1)
    assert (low, high) == (pytest.approx(0.9 - 0.0196, abs=1e-4), pytest.approx(0.9196, abs=1e-4))
    assert bands.band(0.999, 4)[1] == 1.0


def test_four_times_the_pictures_halve_the_band():
    narrow, wide = bands.band(0.8, 400), bands.band(0.8, 100)
    assert (wide[1] - wide[0]) == pytest.approx(2 * (narrow[1] - narrow[0]))


def test_the_chance_of_a_false_order_in_a_simulation():
    """True means drawn flat around the printed ones; how often the order is the other way."""
    generator, n, rho = np.random.default_rng(0), 200, 0.74
    sd = [bands.SHARE * math.sqrt(m * (1 - m)) for m in (0.90, 0.895)]
    cross = rho * sd[0] * sd[1]
    covariance = np.array([[sd[0] ** 2, cross], [cross, sd[1] ** 2]]) / n
    drawn = generator.multivariate_normal([0.90, 0.895], covariance, 200_000)
    expected = float((drawn[:, 0] < drawn[:, 1]).mean())
    assert bands.false_order(0.90, 0.895, n, rho) == pytest.approx(expected, abs=0.005)


def test_equal_means_are_a_coin_and_pairing_helps():
    assert bands.false_order(0.9, 0.9, 100) == pytest.approx(0.5)
    assert bands.false_order(0.91, 0.9, 300, 0.9) < bands.false_order(0.91, 0.9, 300, 0.0)


def test_rows_are_ordered_and_the_last_has_no_next():
    found = bands.claims([("b", 0.8), ("a", 0.9)], 50)
    assert [row["name"] for row in found] == ["a", "b"]
    assert found[0]["false"] < 0.05
    assert found[1]["false"] is None


@pytest.mark.parametrize(("mean", "pictures"), [(91.2, 100), (0.9, 1)])
def test_what_is_no_score_is_refused(mean, pictures):
    with pytest.raises(UsageError):
        bands.band(mean, pictures)
