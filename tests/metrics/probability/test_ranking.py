"""Areas under the curves against scikit-learn, and the field of view."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from segkit.metrics.probability.ranking import field_of_view, ranking_scores


@cache
def cases() -> list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    generator = np.random.default_rng(0)
    found = []
    for i in range(100):
        y = generator.random((20, 31)) < generator.uniform(0.02, 0.9)
        p = np.clip(generator.normal(0.4 + 0.2 * y, 0.2), 0, 1).astype(np.float32)
        if i % 3 == 1:
            p = np.round(p, 1)  # many ties
        found.append((p, y, generator.random(y.shape) < 0.7 if i % 2 else None))
    y = np.zeros((4, 5), bool)
    y[0, :2] = True
    odd = [np.zeros, np.ones, lambda s: np.full(s, 0.5), lambda s: np.arange(20).reshape(s) / 19]
    for make in odd:
        p = np.asarray(make(y.shape), np.float32)
        found += [(p, y, None), (p, ~y, None), (1 - p, y, None), (p, y, np.ones_like(y)),
                  (p, np.eye(4, 5, dtype=bool), None)]  # fmt: skip
    return found


@pytest.mark.parametrize("number", range(120))
def test_equal_to_scikit_learn(number):
    p, y, inside = cases()[number]
    keep = np.ones_like(y) if inside is None else inside
    scores = ranking_scores(p, y, inside)
    assert scores["auc_roc"] == pytest.approx(roc_auc_score(y[keep], p[keep]), abs=1e-12)
    assert scores["auc_pr"] == pytest.approx(average_precision_score(y[keep], p[keep]), abs=1e-12)


def test_one_class_alone_has_no_curve():
    p = np.linspace(0, 1, 12).reshape(3, 4)
    for y in (np.zeros((3, 4)), np.ones((3, 4))):
        assert np.isnan(list(ranking_scores(p, y).values())).all()


def test_the_field_of_view_is_the_lit_disc():
    disc = cv2.circle(np.zeros((200, 220), np.uint8), (110, 100), 90, 1, -1) > 0
    noise = np.random.default_rng(0).integers(0, 9, (200, 220, 3))
    picture = np.where(disc[..., None], 150 - noise * 4, noise).astype(np.uint8)
    picture[95:105, 30:120] = 5  # a dark vessel that runs in from the rim
    assert (field_of_view(picture) != disc).mean() < 0.005
    assert field_of_view(np.full((50, 50, 3), 90, np.uint8)).all()
