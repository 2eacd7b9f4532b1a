"""Paired tests, correction, tie groups and rank stability."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from segkit.metrics import statistics
from segkit.metrics.confusion import Counts
from segkit.metrics.intervals import Resampler, mean_figure, pooled_figure


def test_few_units_are_tested_exactly() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 8))
    signs = np.array(list(product((1, -1), repeat=8)))
    means = np.abs((signs * (a - b)).mean(1))
    expected = np.mean(means >= abs((a - b).mean()) - 1e-12)
    assert statistics.permutation_test(a, b) == pytest.approx(expected)


def test_many_units_agree_with_scipy() -> None:
    generator = np.random.default_rng(1)
    a = generator.random(60)
    b = a + generator.normal(0.01, 0.05, 60)
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis), permutation_type="samples",
        n_resamples=20_000, vectorized=True, rng=0,
    ).pvalue  # fmt: skip
    assert statistics.permutation_test(a, b) == pytest.approx(expected, abs=0.015)


def test_pooled_scores_are_tested_by_exchanging_counts() -> None:
    generator = np.random.default_rng(2)
    truth = generator.integers(200, 400, 50)
    good = Counts(truth * 9 // 10, truth // 10, truth - truth * 9 // 10, truth * 5)
    bad = Counts(truth * 8 // 10, truth // 10, truth - truth * 8 // 10, truth * 5)
    figures = [pooled_figure(one, "dice") for one in (good, bad)]
    assert statistics.figure_permutation_test(*figures) < 0.001
    assert statistics.figure_permutation_test(figures[0], figures[0]) == 1.0


def test_grouped_cases_are_exchanged_together() -> None:
    change = np.repeat([0.1, 0.1, 0.1, -0.02], 10)
    zero = np.zeros(40)
    alone = statistics.permutation_test(change, zero)
    together = statistics.permutation_test(change, zero, [str(i // 10) for i in range(40)])
    assert alone < 0.001
    assert together == pytest.approx(4 / 16)  # of 16 sign patterns


def test_wilcoxon_is_scipys() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.random((2, 30))
    expected = stats.wilcoxon(a - b, zero_method="pratt").pvalue
    assert statistics.wilcoxon_test(a, b) == pytest.approx(expected)
    assert statistics.wilcoxon_test(a, a) == 1.0


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert statistics.holm([]) == []


def test_detectable_difference_has_its_power() -> None:
    generator = np.random.default_rng(4)
    noise = generator.normal(0, 0.1, (2, 50))
    size = statistics.detectable_difference(noise[0], noise[1])
    found = 0
    for _ in range(400):
        change = generator.normal(size, 0.1 * np.sqrt(2), 50)
        found += stats.ttest_1samp(change, 0).pvalue < 0.05
    assert 0.65 < found / 400 < 0.92


def pair(a: str, b: str, p: float) -> statistics.PairedComparison:
    return statistics.PairedComparison(a, b, 0.0, (0.0, 0.0), p, p, p, 0, 0, 0.0)


def test_tie_groups_by_hand() -> None:
    scores = {"a": 3.0, "b": 2.0, "c": 1.0}
    pairs = [pair("a", "b", 0.5), pair("b", "c", 0.5), pair("a", "c", 0.01)]
    assert statistics.tie_groups(scores, pairs) == {"a": "a", "b": "ab", "c": "b"}
    apart = [pair("a", "b", 0.01), pair("b", "c", 0.01), pair("a", "c", 0.01)]
    assert statistics.tie_groups(scores, apart) == {"a": "a", "b": "b", "c": "c"}
    same = [pair("a", "b", 0.5), pair("b", "c", 0.5), pair("a", "c", 0.5)]
    assert statistics.tie_groups(scores, same) == {"a": "a", "b": "a", "c": "a"}


def test_tie_groups_say_exactly_which_pairs_are_apart() -> None:
    generator = np.random.default_rng(5)
    for _ in range(40):
        names = list("abcdef")
        pairs = [
            pair(x, y, float(generator.random() < 0.6)) for i, x in enumerate(names)
            for y in names[:i]
        ]  # fmt: skip
        letters = statistics.tie_groups({n: -i for i, n in enumerate(names)}, pairs)
        for one in pairs:
            shared = bool(set(letters[one.a]) & set(letters[one.b]))
            assert shared == (one.p_holm >= 0.05)


def test_rank_stability() -> None:
    generator = np.random.default_rng(6)
    base = generator.random(80)
    runs = {"good": base + 0.2, "even": base, "odd": base + generator.normal(0, 0.05, 80)}
    figures = {name: mean_figure(values) for name, values in runs.items()}
    ranks = statistics.rank_stability(figures, Resampler(80))
    assert ranks["good"] == {"first": 1.0, "mean": 1.0, "low": 1.0, "high": 1.0}
    assert ranks["even"]["first"] == 0.0
    assert {ranks["even"]["low"], ranks["odd"]["high"]} == {2.0, 3.0}
    lower = statistics.rank_stability(figures, Resampler(80), higher_is_better=False)
    assert lower["good"]["mean"] == 3.0
    assert 0.3 < statistics.kendall_stability(figures, Resampler(80)) <= 1.0


def test_compare_runs_corrects_over_all_pairs() -> None:
    generator = np.random.default_rng(7)
    base = generator.random(60)
    values = {"a": base, "b": base + generator.normal(0.03, 0.02, 60), "c": base[::-1].copy()}
    found = {(one.a, one.b): one for one in statistics.compare_runs(values)}
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    ab = found["a", "b"]
    assert ab.p_holm < 0.01
    assert ab.ci95[0] < ab.difference < ab.ci95[1] < 0
    assert ab.wins + ab.losses == 60
    assert found["a", "c"].difference == pytest.approx(0.0, abs=1e-12)
    assert found["a", "c"].p_holm == 1.0


@pytest.mark.slow
def test_false_alarms_at_five_percent() -> None:
    generator = np.random.default_rng(8)
    alarms = 0
    for trial in range(1500):
        quality = generator.beta(8, 2, 40)
        a, b = (np.clip(quality + generator.normal(0, 0.05, 40), 0, 1) for _ in range(2))
        alarms += statistics.permutation_test(a, b, draws=999, seed=trial) < 0.05
    assert 0.035 < alarms / 1500 < 0.065
