"""Estimated Dice, its interval, and what deferral gains."""

import numpy as np
import pytest
from scipy import stats
from worlds import picture

from segkit.metrics.conformal import deferral, doubt, signs
from segkit.metrics.confusion import counts


def world(generator, many):
    """Signs and Dice of predictions; the third view is the truth moved, as a mirrored one is."""
    rows, dice = [], []
    for _ in range(many):
        truth, mask, chance, image = picture(generator)
        views = np.stack([np.roll(mask, generator.integers(0, 3), axis) for axis in (0, 1)])
        rows.append(signs.read(chance, mask, image, views))
        dice.append(counts(mask[None], truth[None]).scores()["dice"][0])
    return signs.table(rows, signs.DOUBT), np.array(dice)


DIRECTIONS = np.array(list(signs.DOUBT.values()), dtype=float)


def test_a_law_of_the_error_is_found_and_one_against_the_direction_is_not():
    generator = np.random.default_rng(0)
    table = generator.normal(size=(200, 3)).clip(-3, 3)
    dice = doubt.from_log_error(-2.0 + table @ np.array([0.5, -0.3, 0.4]))
    fitted = doubt.Regression.fit(table, dice, np.array([1.0, -1.0, 1.0]))
    assert np.abs(fitted(table) - dice).max() < 1e-3
    refused = doubt.Regression.fit(table, dice, np.array([1.0, -1.0, -1.0]))
    assert refused.weights[2] == 0.0
    assert (refused.weights[:2] != 0).all()


def test_where_there_is_no_law_the_mean_is_answered():
    generator = np.random.default_rng(0)
    table, scores = generator.normal(size=(60, 5)), generator.uniform(0.6, 1.0, 60)
    fitted = doubt.Regression.fit(table, scores, np.ones(5))
    assert fitted(generator.normal(size=(500, 5))).std() < 0.5 * scores.std()


def test_error_and_dice_go_back_and_forth():
    dice = np.array([0.0, 0.3, 0.97, 1.0])
    np.testing.assert_allclose(doubt.from_log_error(doubt.log_error(dice)), dice, atol=1e-12)


def test_the_interval_holds_as_often_as_it_says():
    generator, hits = np.random.default_rng(4), 0
    table, dice = world(generator, 1200)
    for _ in range(200):
        rows = generator.permutation(len(dice))
        fit, own, new = rows[:40], rows[40:79], rows[79]
        fitted = doubt.Regression.fit(table[fit], dice[fit], DIRECTIONS)
        reach = doubt.reach(fitted.log_error(table[own]), dice[own], 0.1)
        low, high = doubt.interval(fitted.log_error(table[[new]]), reach)
        hits += bool(low[0] - 1e-9 <= dice[new] <= high[0] + 1e-9)
    assert stats.binom.ppf(0.005, 200, 0.9) <= hits <= stats.binom.ppf(0.995, 200, 0.93)


def test_risk_and_area_by_hand():
    estimates, scores = np.array([0.9, 0.5, 0.7]), np.array([1.0, 0.4, 0.6])
    coverage, risk = deferral.risk_coverage(estimates, scores)
    np.testing.assert_allclose(coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(risk, [0, 0.2, 1 / 3])
    assert deferral.aurc(estimates, scores) == pytest.approx((0 + 0.2 + 1 / 3) / 3)
    assert deferral.aurc(-estimates, scores) > deferral.aurc(estimates, scores)


def test_deferral_sets_the_most_doubtful_aside_and_says_the_gain():
    estimates, scores = np.linspace(0, 1, 20), np.linspace(0.5, 1, 20)
    assert np.flatnonzero(deferral.set_aside(estimates, 0.1)).tolist() == [0, 1]
    assert np.flatnonzero(deferral.set_aside(estimates, 0.12)).tolist() == [0, 1, 2]
    row = deferral.gain(estimates, scores, 0.1)
    assert row["set_aside"] == 2
    assert row["gain"] == pytest.approx(scores[2:].mean() - scores.mean())
    assert row["ci95"][0] < row["gain"] < row["ci95"][1]


def test_the_signs_of_a_sure_and_of_an_unsure_prediction():
    solid = np.zeros((40, 40), np.uint8)
    solid[10:30, 10:30] = 1
    image = np.full((40, 40, 3), 120, np.uint8)
    sure = signs.read(solid * 0.98 + 0.01, solid > 0, image)
    unsure = signs.read(solid * 0.2 + 0.4, solid > 0, image)
    assert sure["expected_dice"] > 0.95 > unsure["expected_dice"]
    assert sure["border_entropy"] < 0.1 < unsure["border_entropy"]
    assert signs.disagreement(solid, np.stack([solid > 0])) == 0.0
    assert signs.disagreement(solid, np.zeros((1, 40, 40), bool)) == 1.0
