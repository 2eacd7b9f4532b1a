"""The shift test: silent for pictures of the same kind, loud under a planted shift."""

import numpy as np
import pytest
from scipy import stats
from worlds import picture

from segkit.metrics.conformal import shift, signs

REPEATS, NEW = 200, 20


def table(generator, many, dark=0.0):
    rows = []
    for _ in range(many):
        _, mask, chance, image = picture(generator, dark)
        rows.append(signs.read(chance, mask, image))
    return signs.table(rows, signs.SHIFT)


@pytest.fixture(scope="module")
def world():
    """Signs of many pictures of either kind, to draw from."""
    generator = np.random.default_rng(5)
    return table(generator, 1200), table(generator, 600, dark=0.5)


def warned(world, new, repeats=REPEATS):
    """How often a batch of `NEW` pictures is called unlike."""
    generator, found = np.random.default_rng(7), 0
    usual, _ = world
    for repeat in range(repeats):
        rows = usual[generator.permutation(len(usual))[:120]]
        scale = shift.SignScale.of(rows[:40])
        some = rows[100:] if new is usual else new[generator.permutation(len(new))[:NEW]]
        p = shift.batch_p(scale(rows[40:100]), scale(some), draws=199, seed=repeat)
        found += p <= shift.LEVEL
    return found


def test_a_planted_shift_is_named_in_95_percent_of_the_cases(world):
    assert warned(world, world[1]) >= 0.95 * REPEATS


def test_like_pictures_are_seldom_called_unlike(world):
    assert warned(world, world[0]) <= stats.binom.ppf(0.999, REPEATS, shift.LEVEL)


def test_the_p_value_of_a_single_picture_is_uniform_at_worst():
    generator = np.random.default_rng(0)
    low = sum(
        shift.picture_p(*np.split(generator.normal(size=(40, 4)), [39]))[0] <= 0.1
        for _ in range(500)
    )
    assert low <= stats.binom.ppf(0.999, 500, 0.1)
    assert low >= stats.binom.ppf(0.001, 500, 0.1)


def test_an_odd_picture_gets_the_smallest_p_there_is():
    generator = np.random.default_rng(0)
    found = shift.picture_p(generator.normal(size=(49, 3)), np.full((1, 3), 9.0))
    assert found[0] == pytest.approx(1 / 50)


def test_the_sign_that_moved_most_is_named(world):
    usual, dark = world
    scale = shift.SignScale.of(usual)
    said = shift.loudest(scale(usual), scale(dark), signs.SHIFT)
    assert any(said.startswith(name) for name in ("red", "green", "blue"))
