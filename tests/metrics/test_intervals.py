"""Bootstrap intervals: against scipy, by group, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from segkit.metrics import calibration, intervals
from segkit.metrics.confusion import Counts
from segkit.metrics.intervals import Figure, Resampler, mean_figure, pooled_figure, report_all


def test_bca_is_scipys_within_the_noise() -> None:
    values = np.random.default_rng(1).beta(8, 2, 150)
    found = Resampler(150, resamples=20_000).interval(mean_figure(values))
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa")
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.0008)
    plain = Resampler(150, resamples=20_000, method="percentile").interval(mean_figure(values))
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile")
    assert plain == pytest.approx(tuple(expected.confidence_interval), abs=0.0008)


def test_pooled_figure_is_the_score_of_the_summed_matrix() -> None:
    generator = np.random.default_rng(0)
    counts = Counts(*generator.integers(1, 1000, (4, 80)))
    figure = pooled_figure(counts, "dice")
    report = Resampler(80).report(figure)
    assert report["mean"] == pytest.approx(float(counts.pooled().dice()))
    low, high = report["ci95"]
    assert low < report["mean"] < high
    direct = [
        float(Counts(*(p[rows] for p in vars(counts).values())).pooled().dice())
        for rows in generator.integers(0, 80, (4000, 80))
    ]
    assert [low, high] == pytest.approx(list(np.quantile(direct, [0.025, 0.975])), abs=0.006)


def test_cases_of_a_group_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(0).random(20), 5)
    groups = [str(i // 5) for i in range(100)]
    alone, together = Resampler(100), Resampler(100, groups)
    assert (alone.unit, together.unit, together.units) == ("case", "group", 20)
    width = [np.subtract(*r.interval(mean_figure(values))[::-1]) for r in (alone, together)]
    assert width[1] > 1.8 * width[0]  # five copies of a case are not five cases


def test_missing_values_are_left_out() -> None:
    report = Resampler(4).report(mean_figure([1.0, math.nan, 3.0, math.nan]))
    assert report["mean"] == 2.0
    assert report["sd"] == pytest.approx(math.sqrt(2))


def test_what_cannot_be_computed_is_none() -> None:
    assert Resampler(1).report(mean_figure([0.5])) == {"mean": 0.5, "ci95": None, "sd": None}
    assert Resampler(2).report(mean_figure([math.nan, math.nan]))["mean"] is None


def test_a_constant_has_an_interval_of_no_width() -> None:
    assert Resampler(9).report(mean_figure([0.25] * 9))["ci95"] == [0.25, 0.25]


def test_same_seed_same_interval() -> None:
    figures = {"a": mean_figure(np.arange(30.0))}
    assert report_all(figures, Resampler(30, seed=3)) == report_all(figures, Resampler(30, seed=3))


def coverage(method: str, draw: object, truth: float, cases: int, trials: int = 600) -> float:
    """How often the interval holds the true mean."""
    generator = np.random.default_rng(7)
    held = 0
    for trial in range(trials):
        values = draw(generator, cases)  # type: ignore[operator]
        units = Resampler(cases, resamples=1000, seed=trial, method=method)  # type: ignore[arg-type]
        low, high = units.interval(mean_figure(values))
        held += low <= truth <= high
    return held / trials


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize(("a", "b", "cases"), [(8, 2, 60), (20, 1.5, 100)])
def test_nominal_95_percent_covers(method: str, a: float, b: float, cases: int) -> None:
    """Dice-like scores: skewed towards 1."""
    found = coverage(method, lambda g, n: g.beta(a, b, n), a / (a + b), cases)
    assert 0.92 <= found <= 0.98


@pytest.mark.slow
def test_pooled_intervals_cover() -> None:
    generator = np.random.default_rng(3)
    size = generator.gamma(2.0, 400.0, 20_000) + 20

    def draw(many: int) -> Counts:
        area = generator.choice(size, many)
        sen, pre = generator.beta(9, 1.5, many), generator.beta(9, 1.5, many)
        tp = area * sen
        return Counts(tp, tp * (1 / pre - 1), area - tp, np.full(many, 1e5) - area)

    truth = float(draw(400_000).pooled().dice())
    held = 0
    for trial in range(400):
        figure = pooled_figure(draw(150), "dice")
        low, high = Resampler(150, resamples=1000, seed=trial).interval(figure)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_figures_of_any_sums() -> None:
    figure = Figure(np.array([[1.0, 2.0], [3.0, 4.0]]), lambda s: s[..., 0] / s[..., 1])
    assert Resampler(2).report(figure)["mean"] == pytest.approx(4 / 6)


def test_an_interval_holds_its_figure_or_there_is_none() -> None:
    """ECE is biased upwards under resampling: its corrected interval may lie beside it."""
    none = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        predicted = generator.random((30, 8, 8)).astype(np.float32)
        truth = (generator.random((30, 8, 8)) < predicted).astype(np.uint8)  # well calibrated
        bins = calibration.reliability(predicted, truth)
        found = Resampler(30, resamples=400).report(
            Figure(bins.reshape(len(bins), -1), calibration.ece)
        )
        none += found["ci95"] is None
        if found["ci95"] is not None:
            assert found["ci95"][0] <= found["mean"] <= found["ci95"][1]
    assert none


def test_few_pictures_draw_a_warning():
    assert intervals.too_few(intervals.FEW) == ""
    assert "only 49 independent pictures" in intervals.too_few(49)
    assert "only 4 independent groups of pictures" in intervals.too_few(4, "group")
