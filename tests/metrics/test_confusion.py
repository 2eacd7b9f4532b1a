"""Counts and overlap scores: by hand, against scikit-learn, numpy against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from segkit.errors import UsageError
from segkit.metrics.confusion import Counts, class_counts, concatenate, counts


def test_scores_by_hand() -> None:
    truth = np.array([[[1, 1, 1, 0], [0, 0, 0, 0]]])
    prediction = np.array([[[1, 1, 0, 0], [0, 0, 0, 1]]])
    found = counts(prediction, truth)
    assert [int(v[0]) for v in (found.tp, found.fp, found.fn, found.tn)] == [2, 1, 1, 4]
    expected = {
        "dice": 4 / 6,
        "iou": 2 / 4,
        "acc": 6 / 8,
        "sen": 2 / 3,
        "spe": 4 / 5,
        "pre": 2 / 3,
        "mae": 2 / 8,
    }
    assert {name: float(value[0]) for name, value in found.scores().items()} == expected


@pytest.mark.parametrize(
    ("prediction", "truth", "dice", "sen", "pre", "spe"),
    [(0, 0, 1, 1, 1, 1), (1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1)],
)
def test_empty_and_full_masks(
    prediction: int, truth: int, dice: float, sen: float, pre: float, spe: float
) -> None:
    p, t = np.full((1, 4, 4), prediction), np.full((1, 4, 4), truth)
    for found in (counts(p, t), counts(torch.tensor(p), torch.tensor(t))):
        scores = found.scores()
        assert [float(scores[n][0]) for n in ("dice", "iou")] == [dice, dice]
        assert [float(scores[n][0]) for n in ("sen", "pre", "spe")] == [sen, pre, spe]


def test_equal_to_scikit_learn(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for prediction, truth in pairs:
        found = counts(prediction, truth)
        table = sklearn_metrics.confusion_matrix(
            truth.ravel(), prediction.ravel(), labels=[False, True]
        )
        own = [int(v[0]) for v in (found.tn, found.fp, found.fn, found.tp)]
        assert own == table.ravel().tolist()
        p, t = prediction.ravel(), truth.ravel()
        if p.any() and t.any():
            scores = {name: float(value[0]) for name, value in found.scores().items()}
            assert scores["dice"] == pytest.approx(sklearn_metrics.f1_score(t, p), abs=1e-12)
            assert scores["iou"] == pytest.approx(sklearn_metrics.jaccard_score(t, p), abs=1e-12)
            assert scores["acc"] == pytest.approx(sklearn_metrics.accuracy_score(t, p), abs=1e-12)
            assert scores["sen"] == pytest.approx(sklearn_metrics.recall_score(t, p), abs=1e-12)
            assert scores["pre"] == pytest.approx(sklearn_metrics.precision_score(t, p), abs=1e-12)


def test_torch_gives_the_same_on_its_device(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for prediction, truth in pairs[:30]:
        host = counts(prediction, truth).scores()
        other = counts(torch.from_numpy(prediction), torch.from_numpy(truth)).scores()
        assert isinstance(other["dice"], torch.Tensor)
        for name, value in host.items():
            assert float(value[0]) == pytest.approx(float(other[name][0]), abs=1e-15)


def test_pooled_is_one_matrix_and_differs_from_the_mean() -> None:
    found = Counts(*(np.array(v) for v in ([90, 1], [10, 9], [10, 9], [890, 981])))
    pooled = found.pooled()
    assert float(pooled.dice()) == pytest.approx(182 / (182 + 19 + 19))
    assert float(found.dice().mean()) == pytest.approx((0.9 + 0.1) / 2)


def test_class_counts_against_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    prediction, truth = generator.integers(0, 4, (2, 3, 20, 20), dtype=np.uint8)
    found = class_counts(prediction, truth, 4)
    for image in range(3):
        tables = sklearn_metrics.multilabel_confusion_matrix(
            truth[image].ravel(), prediction[image].ravel(), labels=range(4)
        )
        for k in range(4):
            own = [int(v[image, k]) for v in (found.tn, found.fp, found.fn, found.tp)]
            assert own == tables[k].ravel().tolist()


def test_a_class_outside_the_set_is_refused() -> None:
    with pytest.raises(UsageError, match="holds class 3"):
        class_counts(np.full((1, 2, 2), 3), np.zeros((1, 2, 2), int), 2)


def test_shapes_must_agree() -> None:
    with pytest.raises(UsageError, match="differ in shape"):
        counts(np.zeros((2, 4, 4)), np.zeros((2, 4, 5)))


def test_concatenate_keeps_the_order() -> None:
    one = counts(np.ones((1, 2, 2)), np.ones((1, 2, 2)))
    other = counts(torch.zeros((2, 2, 2)), torch.ones((2, 2, 2)))
    assert concatenate([one, other]).fn.tolist() == [0, 4, 4]
