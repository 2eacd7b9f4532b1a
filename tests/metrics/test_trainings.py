"""The interval over pictures and trainings: coverage in simulation, and what it is made of."""

import numpy as np
import pytest

from segkit.metrics.intervals import Resampler, mean_figure
from segkit.metrics.trainings import Spread, Trainings, interval, report_all

TRUTH = 0.8  # the mean of Beta(4, 1)


def crossed(rng, pictures, seeds, effect):
    """Dice-like scores of each picture under each seed; `effect` in standard errors of pictures."""
    own = rng.beta(4, 1, (pictures, 1))
    seed = rng.normal(0, effect * np.sqrt(4 / 150 / pictures), (1, seeds))
    return own + seed + rng.normal(0, 0.08, (pictures, seeds))


def nested(rng, pictures, folds, effect):
    """Each picture under the one fold that tests it."""
    scores = crossed(rng, pictures, folds, effect)
    kept = np.arange(pictures)[:, None] % folds == np.arange(folds)
    return np.where(kept, scores, np.nan)


def both_intervals(scores, draws, unit):
    """Whether the truth lies in the interval over pictures, and over pictures and trainings."""
    pictures, many = scores.shape
    figure = mean_figure(scores.ravel())
    trainings = Trainings(unit, np.tile(np.arange(many), pictures))
    spread = Spread.of(trainings.figures(figure), draws, unit)
    found = draws.interval(figure), interval(figure, [spread], draws)
    return [low <= TRUTH <= high for low, high in found]


def coverage(make, pictures, many, effect, repeats):
    rng = np.random.default_rng(7)
    groups = [str(i) for i in np.repeat(np.arange(pictures), many)]
    draws = Resampler(pictures * many, groups, resamples=400)
    unit = {crossed: "seed", nested: "fold"}[make]
    held = [both_intervals(make(rng, pictures, many, effect), draws, unit) for _ in range(repeats)]
    return np.mean(held, axis=0)


def test_three_seeds_cover_where_pictures_alone_do_not():
    alone, both = coverage(crossed, 80, 3, 2.0, 300)
    assert alone < 0.85
    assert 0.93 <= both <= 0.985  # 300 repeats: 1.3 points of standard error


@pytest.mark.slow
@pytest.mark.parametrize("make", [crossed, nested])
@pytest.mark.parametrize("many", [2, 3, 5, 10])
@pytest.mark.parametrize("effect", [0.0, 1.0, 2.0, 5.0])
def test_coverage(make, many, effect):
    """93 to 97 per cent, with two standard errors of 1,500 repeats."""
    _, both = coverage(make, 120, many, effect, 1500)
    print(f"{make.__name__} {many} trainings, effect {effect}: {100 * both:.1f} %")
    assert 0.93 - 0.013 <= both <= 0.97 + 0.009


def test_trainings_that_agree_add_nothing():
    scores = np.repeat(np.random.default_rng(1).beta(4, 1, (60, 1)), 3, axis=1)
    figure = mean_figure(scores.ravel())
    draws = Resampler(180, [str(i) for i in np.repeat(np.arange(60), 3)], resamples=500)
    spread = Spread.of(Trainings("seed", np.tile([0, 1, 2], 60)).figures(figure), draws)
    assert spread.error == 0.0
    assert interval(figure, [spread], draws) == pytest.approx(draws.interval(figure), abs=1e-3)


def test_the_level_is_the_seeds_where_there_are_several():
    folds, one = np.array([0, 1, 0, 1]), np.array(["0"] * 4)
    found = Trainings.of({"seed": np.array(["0", "0", "1", "1"]), "fold": folds})
    assert found is not None
    assert found.unit == "seed"
    by_fold = Trainings.of({"seed": one, "fold": folds})
    assert by_fold is not None
    assert by_fold.describe() == {"unit": "fold", "trainings": 2}
    assert Trainings.of({"seed": one, "fold": np.zeros(4, int)}) is None


def test_a_figure_without_a_value_has_no_interval():
    figure = mean_figure([np.nan] * 6)
    draws = Resampler(6, resamples=50)
    found = report_all({"hd95": figure}, Trainings("seed", np.array([0, 1] * 3)), draws)
    assert found == {"hd95": None}
