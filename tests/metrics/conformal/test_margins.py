"""Margins: distances by hand, the least number of pictures, and coverage in a simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import distance_transform_edt
from worlds import SIZE, picture

from segkit.metrics.conformal import margins

ALPHA = DELTA = 0.1
SCALE = margins.radii(SIZE)


def test_a_square_grows_and_shrinks_by_hand():
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    distance = margins.field(mask)
    assert (distance <= 0).sum() == 9
    assert (distance <= 1).sum() == 9 + 12  # the four sides
    assert (distance <= 1.5).sum() == 25  # and the corners, at the root of two
    assert (distance < 0).sum() == 9
    assert (distance < -1).sum() == 1
    assert (distance < -2).sum() == 0


def test_distances_are_those_of_scipy():
    mask = picture(np.random.default_rng(1))[1]
    found = margins.field(mask)
    expected = distance_transform_edt(~mask) - distance_transform_edt(mask)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_losses_by_hand():
    mask, truth = np.zeros((1, 10), bool), np.zeros((1, 10), bool)
    mask[0, 2:6], truth[0, 4:9] = True, True
    scale = np.array([0, 1, 2, 3, np.inf])
    distance = margins.field(mask)
    np.testing.assert_allclose(margins.missed(distance, truth, scale), [0.6, 0.4, 0.2, 0, 0])
    # shrunk by 1 it is 3:5, one of two wrong; by 2 nothing is left
    np.testing.assert_allclose(margins.false_share(distance, truth, scale), [0.5, 0.5, 0, 0, 0])


def test_the_false_share_never_rises_with_the_radius():
    generator = np.random.default_rng(3)
    for _ in range(20):
        truth, mask, _, _ = picture(generator)
        loss = margins.false_share(margins.field(mask), truth, SCALE)
        assert (np.diff(loss) <= 1e-12).all()


@pytest.mark.parametrize("empty", ["mask", "truth"])
def test_empty_masks_and_truths(empty):
    truth, mask = np.ones((2, 6, 6), bool)
    if empty == "mask":
        mask[:] = False
        assert margins.missed(margins.field(mask), truth, SCALE)[:-1].min() == 1.0
        assert margins.missed(margins.field(mask), truth, SCALE)[-1] == 0.0
    else:
        truth[:] = False
        assert margins.false_share(margins.field(mask), truth, SCALE)[:-1].min() == 1.0
        assert margins.missed(margins.field(mask), truth, SCALE).max() == 0.0


@pytest.mark.parametrize(("level", "least"), [(0.1, 9), (0.05, 19), (0.2, 4), (0.01, 99)])
def test_the_least_number_of_pictures_is_exact(level, least):
    assert margins.least_pictures(level) == least
    perfect = np.zeros((least, len(SCALE)))
    for form in margins.FORMS:
        assert margins.radius(perfect, SCALE, form, level, level) == 0.0
        assert margins.radius(perfect[:-1], SCALE, form, level, level) == math.inf


def test_clopper_pearson_against_scipy():
    for hits, many in [(0, 10), (3, 10), (10, 10), (180, 200)]:
        exact = stats.binomtest(hits, many).proportion_ci(0.95, "exact")
        assert margins.binomial_interval(hits, many) == pytest.approx((exact.low, exact.high))


@pytest.fixture(scope="module")
def repeats():
    """The loss of one new picture after each of 200 calibrations on 39; all drawn anew."""
    generator = np.random.default_rng(20)
    found = {(form, side): np.empty(200) for form in margins.FORMS for side in margins.SIDES}
    for repeat in range(200):
        rows = [picture(generator)[:2] for _ in range(40)]
        fields = [(margins.field(mask), truth) for truth, mask in rows]
        for side, loss in zip(margins.SIDES, (margins.missed, margins.false_share), strict=True):
            table = np.array([loss(*one, SCALE) for one in fields])
            for form in margins.FORMS:
                chosen = margins.radius(table[:-1], SCALE, form, ALPHA, DELTA)
                found[form, side][repeat] = margins.at(table[-1:], SCALE, chosen)[0]
    return found


@pytest.mark.parametrize("side", margins.SIDES)
def test_per_picture_coverage_is_within_binomial_bounds_of_its_promise(repeats, side):
    """The hits of independent repeats are binomial, with a probability of 0.9 to 0.9 + 1/40."""
    hits = int((repeats["per_picture", side] <= ALPHA).sum())
    assert stats.binom.ppf(0.005, 200, 0.9) <= hits <= stats.binom.ppf(0.995, 200, 0.925)


@pytest.mark.parametrize("side", margins.SIDES)
def test_expected_losses_keep_their_promise(repeats, side):
    loss = repeats["expectation", side]
    assert loss.mean() <= ALPHA + 2.6 * loss.std(ddof=1) / math.sqrt(len(loss))
    assert loss.mean() >= 0.02  # and is not kept by margins that hold everything
