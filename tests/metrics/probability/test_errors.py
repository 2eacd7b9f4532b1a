"""Calibration errors against sums over sorted bins of single pixels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from segkit.metrics import calibration, shape
from segkit.metrics.probability import errors


def gaps(p: np.ndarray, y: np.ndarray) -> list[float]:
    """|mean p - frequency| of each bin in use, by sorting pixels into ten boxes."""
    boxes: list[list[tuple[float, bool]]] = [[] for _ in range(10)]
    for share, true in zip(p.ravel(), y.ravel(), strict=True):
        boxes[min(int(share * 10), 9)].append((float(share), bool(true)))
    found = []
    for box in boxes:
        if box:
            shares, truths = zip(*box, strict=True)
            found.append(abs(np.mean(shares) - np.mean(truths)))
    return found


@cache
def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    found = []
    for i in range(100):
        p = generator.beta(0.4 + i % 5, 0.6, (11, 13)).astype(np.float32)
        found.append((p, generator.random(p.shape) < p ** generator.uniform(0.3, 3)))
    for level in np.linspace(0, 1, 10):
        p = np.full((3, 4), level, np.float32)
        found += [(p, np.zeros((3, 4), bool)), (p, np.eye(3, 4, dtype=bool))]
    return found


@pytest.mark.parametrize("number", range(120))
def test_equal_to_boxes(number):
    p, y = cases()[number]
    sums = calibration.reliability(p[None], y[None]).reshape(-1)
    expected = gaps(p, y)
    assert errors.ace(sums) == pytest.approx(np.mean(expected), abs=1e-6)
    assert errors.mce(sums) == pytest.approx(max(expected), abs=1e-6)
    rim = shape.around_outline(y, 0.1)
    if rim.any():
        inside = calibration.reliability(p[None], y[None], rim[None]).reshape(-1)
        assert errors.ace(inside) == pytest.approx(np.mean(gaps(p[rim], y[rim])), abs=1e-6)


def test_no_pixel_has_no_error():
    assert np.isnan(errors.ace(np.zeros(30)))
    assert np.isnan(errors.mce(np.zeros(30)))


def test_the_rim_lies_on_both_sides_of_the_outline():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    rim = shape.around_outline(mask, 2 / np.hypot(40, 40))
    assert rim[8:12, 20].all()
    assert not rim[7, 20]
    assert not rim[12, 20]
    assert not shape.around_outline(np.ones((40, 40), bool))[20, 20]
