"""Object scores by hand and against a brute-force matching."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segkit.metrics import objects


def test_by_hand() -> None:
    truth, prediction = np.zeros((12, 30), bool), np.zeros((12, 30), bool)
    truth[1:5, 1:5] = truth[1:5, 10:14] = truth[1:5, 20:24] = True
    prediction[1:5, 1:5] = True  # exact
    prediction[1:5, 10:13] = True  # IoU 12/16 = 0.75
    prediction[8:11, 20:24] = True  # beside the third
    found = objects.object_scores(prediction, truth)
    assert found["object_f1"] == pytest.approx(2 * 2 / 6)
    # matched twice below 0.75 (0.5 ... 0.7), once from 0.75 on
    assert found["object_map"] == pytest.approx((5 * 2 / 4 + 5 * 1 / 5) / 10)


def test_against_brute_force() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        truth = ndimage.gaussian_filter(generator.standard_normal((60, 60)), 3) > 0.02
        prediction = ndimage.gaussian_filter(generator.standard_normal((60, 60)), 3) > 0.02
        prediction = np.where(generator.random() < 0.7, truth, prediction).astype(bool)
        prediction = ndimage.binary_dilation(prediction)
        square = np.ones((3, 3))
        (a, many), (b, others) = ndimage.label(prediction, square), ndimage.label(truth, square)
        hits = 0
        for i in range(1, many + 1):
            for j in range(1, others + 1):
                iou = ((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum()
                hits += iou > 0.5
        expected = 2 * hits / (many + others)
        found = objects.object_scores(prediction, truth)["object_f1"]
        assert found == pytest.approx(expected, abs=1e-12)


def test_nothing_and_nothing_is_right() -> None:
    empty, solid = np.zeros((5, 5), bool), np.ones((5, 5), bool)
    assert objects.object_scores(empty, empty) == {"object_f1": 1.0, "object_map": 1.0}
    assert objects.object_scores(empty, solid) == {"object_f1": 0.0, "object_map": 0.0}


def test_instances_keep_touching_objects_apart() -> None:
    instances = np.zeros((4, 8), np.uint16)
    instances[:, :4], instances[:, 4:] = 1, 2
    merged = instances > 0
    assert objects.object_scores(merged, merged)["object_f1"] == 1.0
    assert objects.object_scores(merged, instances)["object_f1"] == 0.0
