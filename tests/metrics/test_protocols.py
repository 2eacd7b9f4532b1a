"""Each published convention by hand."""

from __future__ import annotations

import numpy as np
import pytest

from segkit.errors import UsageError
from segkit.metrics import cases, protocols
from segkit.metrics.confusion import counts
from segkit.metrics.intervals import Resampler


def columns_of(prediction: np.ndarray, truth: np.ndarray, probability: np.ndarray | None = None):
    front = prediction.astype(np.float32) if probability is None else probability
    wanted = cases.Wanted(evidence=True, tools=True)
    found = cases.measure(prediction, truth, front, None, None, wanted)
    exact = counts(prediction, truth)
    canvas = {f"canvas_{n}": getattr(exact, n) for n in ("tp", "fp", "fn", "tn")}
    return {**found, **canvas}


def scores_of(name: str, columns: dict[str, np.ndarray]) -> dict[str, float]:
    return protocols.under_conventions(columns, (name,))[name]["metrics"]


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        (0, 0, (0, 1, 1, 1)),
        (8, 0, (0.125, 0.876923, 0.2, 0.111111)),
        (0, 8, (0.125, 0.876923, 0.2, 0.111111)),
        (8, 8, (0, 1, 1, 1)),
    ],
)
def test_qtseg_golden(predicted: int, true: int, expected: tuple[float, ...]) -> None:
    masks = np.zeros((2, 1, 64), np.uint8)
    masks[0, 0, :predicted] = masks[1, 0, :true] = 1
    found = scores_of("qtseg", columns_of(*masks.reshape(2, 1, 8, 8)))
    names = ("mae", "acc", "dice", "iou")
    assert [found[name] for name in names] == pytest.approx(list(expected), abs=1e-6)


@pytest.fixture
def sample() -> dict[str, np.ndarray]:
    """A good case of 9 of 10, a missed small lesion, and two empty masks."""
    truth, prediction = np.zeros((2, 3, 10, 10), np.uint8)
    truth[0, 0] = 1
    prediction[0, 0, :9] = 1
    truth[1, 5, 5] = 1
    return columns_of(prediction, truth)


def test_per_image_pooled_batch(sample: dict[str, np.ndarray]) -> None:
    first = 2 * 9 / 19
    assert scores_of("segkit", sample)["dice"] == pytest.approx((first + 0 + 1) / 3)
    assert protocols.pooled(sample)["dice"] == pytest.approx(18 / (18 + 0 + 2))
    assert protocols.per_batch(sample)["dice"] == pytest.approx(18 / 20)
    assert protocols.per_batch(sample, size=1)["dice"] == pytest.approx((first + 0 + 1) / 3)


def test_empty_rules(sample: dict[str, np.ndarray]) -> None:
    first = 18 / 19
    for rule, expected in (("1", (first + 2) / 3), ("0", first / 3), ("skipped", first)):
        assert scores_of(f"empty-{rule}", sample)["dice"] == pytest.approx(expected)


def test_both_classes(sample: dict[str, np.ndarray]) -> None:
    front, back = 9 / 11, 289 / 291
    assert protocols.both_classes(sample)["iou"] == pytest.approx((front + back) / 2)


def test_thresholded_jaccard(sample: dict[str, np.ndarray]) -> None:
    assert scores_of("isic", sample)["iou"] == pytest.approx((0.9 + 0 + 1) / 3)
    low = {"iou": np.array([0.649, 0.651])}
    assert scores_of("isic", low)["iou"] == pytest.approx(0.651 / 2)


def test_soft_and_shifted() -> None:
    truth = np.array([[[1, 1], [0, 0]]], np.uint8)
    probability = np.array([[[0.9, 0.6], [0.61, 0.1]]], np.float32)
    found = columns_of((probability > 0.5).astype(np.uint8), truth, probability)
    scores = scores_of("dermomamba", found)
    assert scores["dice"] == pytest.approx(2 * 1.5 / (2.21 + 2), abs=1e-6)
    assert scores["iou"] == pytest.approx(2 / 3)
    assert scores["pre"] == 1.0  # only 0.9 exceeds 0.6225
    assert scores["sen"] == 0.5


def test_thresholds_and_their_best() -> None:
    truth = np.array([[[1, 1], [0, 0]]], np.uint8)
    probability = np.array([[[0.7, 0.7], [0.4, 0.2]]], np.float32)
    found = columns_of((probability > 0.5).astype(np.uint8), truth, probability)
    # stretched to 255, 255, 102, 0: at k = 0 all are foreground (4/6), to 102 three (4/5), then two
    expected = (1 * 4 / 6 + 102 * 4 / 5 + 153 * 1) / 256
    assert protocols.thresholds(found)["dice"] == pytest.approx(expected)
    assert protocols.best_threshold(found)["dice"] == 1.0


def praneteval(probability: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """meanDic and meanIoU of one picture, written as PraNet's evaluation is: loop and rule."""
    span = probability.max() - probability.min() + 1e-8
    stored = np.rint(255 * ((probability - probability.min()) / span)).astype(np.uint8) / 255
    dice, iou = [], []
    for k in range(256):
        label = stored >= k / 255
        both = np.count_nonzero(label & (truth > 0))
        all_, true = np.count_nonzero(label), np.count_nonzero(truth)
        dice.append(2 * both / (true + all_) if both else 0.0)
        iou.append(both / (true + all_ - both) if both else 0.0)
    return float(np.mean(dice)), float(np.mean(iou))


def test_thresholds_are_pranets_arithmetic() -> None:
    rng = np.random.default_rng(3)
    probability = rng.random((6, 12, 9)).astype(np.float32)
    probability[1] = 0.2 + 0.3 * probability[1]  # never above one half: stretched
    probability[2] = 0.25  # no variation
    truth = (rng.random((6, 12, 9)) < 0.4).astype(np.uint8)
    truth[3] = 0  # both sides may be empty: 0, not 1
    found = columns_of((probability > 0.5).astype(np.uint8), truth, probability)
    rows = [praneteval(p, t) for p, t in zip(probability.astype(float), truth, strict=True)]
    dice, iou = np.mean(rows, axis=0)
    scores = protocols.thresholds(found)
    assert (scores["dice"], scores["iou"]) == pytest.approx((dice, iou), abs=1e-12)


def test_the_lens_shows_every_convention_and_the_spread(sample: dict[str, np.ndarray]) -> None:
    found = protocols.under_conventions(sample)
    assert set(found) == {*protocols.CONVENTIONS, "spread"}
    assert "original pictures are needed" in found["original"]["missing"]
    spread = found["spread"]["dice"]
    values = [row["metrics"]["dice"] for row in found.values() if "dice" in row.get("metrics", {})]
    assert spread["points"] == pytest.approx(100 * (max(values) - min(values)))
    assert set(protocols.under_conventions(sample, ("qtseg",))) == {"qtseg"}
    with pytest.raises(UsageError, match="qtseg"):
        protocols.under_conventions(sample, ("qtsag",))


def test_means_over_cases_have_intervals_of_their_own(sample: dict[str, np.ndarray]) -> None:
    found = protocols.under_conventions(sample, draws=Resampler(3))
    for name, row in found.items():
        if name in ("spread", "original"):
            continue
        assert ("ci95" in row) == (protocols.CONVENTIONS[name].each is not None)
        for score, (low, high) in row.get("ci95", {}).items():
            assert low <= row["metrics"][score] <= high
    assert found["qtseg"]["ci95"]["dice"] != found["segkit"]["ci95"]["dice"]
