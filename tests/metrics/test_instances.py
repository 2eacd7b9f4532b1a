"""PQ, AJI and Dice per component against loops over pairs, on 100 random and 20 odd cases."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from segkit.metrics import instances, shape
from segkit.metrics.objects import labels, object_scores

SQUARE = np.ones((3, 3))


def touching(generator: np.random.Generator, side: int = 48) -> np.ndarray:
    """Instances that touch: the nearest of some seeds, inside blobs; labels with gaps."""
    seeds = generator.integers(0, side, (int(generator.integers(1, 12)), 2))
    rows, columns = np.indices((side, side))
    away = [(rows - r) ** 2 + (columns - c) ** 2 for r, c in seeds]
    near, which = np.min(away, 0), np.argmin(away, 0)
    return np.where(near < generator.integers(9, 90), 3 * which + 2, 0).astype(np.uint16)


@cache
def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    found = []
    for i in range(100):
        truth = touching(generator)
        moved = np.roll(truth, generator.integers(-3, 4, 2), (0, 1)) > 0
        found.append((moved if i % 4 else touching(generator) > 0, truth))
    empty, full = np.zeros((9, 14), bool), np.ones((9, 14), bool)
    dot, half, rows, board = empty.copy(), empty.copy(), empty.copy(), full.copy()
    dot[4, 4], half[:, :7], rows[::2] = True, True, True
    board[np.indices(board.shape).sum(0) % 2 == 0] = False
    two = np.where(half, 1, 2).astype(np.uint16)
    odd = [empty, full, dot, half, rows, board]
    pairs = [(a, b) for a in odd for b in odd][:14]
    pairs += [(full, two), (empty, two), (half, two), (dot, two), (rows, two), (board, two)]
    assert len(pairs) == 20
    return found + pairs


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    """Each object as a boolean mask."""
    if mask.dtype == bool:
        mask = ndimage.label(mask, SQUARE)[0]
    return [mask == value for value in np.unique(mask) if value]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def panoptic_by_loops(found: list[np.ndarray], true: list[np.ndarray]) -> tuple[float, float]:
    if not found and not true:
        return 1.0, 1.0
    pairs = [iou(a, b) for a in found for b in true if iou(a, b) > 0.5]
    wrong = len(found) + len(true) - 2 * len(pairs)
    return sum(pairs) / (len(pairs) + wrong / 2), (np.mean(pairs) if pairs else 0.0)


def aji_by_loops(found: list[np.ndarray], true: list[np.ndarray]) -> float:
    if not found and not true:
        return 1.0
    common = whole = 0
    used = set()
    for b in true:
        scores = [iou(a, b) for a in found]
        best = int(np.argmax(scores)) if scores else -1
        if best < 0 or not scores[best]:
            whole += b.sum()
            continue
        used.add(best)
        common, whole = common + (found[best] & b).sum(), whole + (found[best] | b).sum()
    return common / (whole + sum(a.sum() for i, a in enumerate(found) if i not in used))


def component_dice_by_loops(found: list[np.ndarray], true: list[np.ndarray]) -> float:
    if not found and not true:
        return 1.0
    scores = []
    for b in true:
        near = [a for a in found if (a & b).any()]
        joined = np.any(near, 0) if near else np.zeros_like(b)
        scores.append(2 * (joined & b).sum() / (joined.sum() + b.sum()))
    scores += [0.0 for a in found if not any((a & b).any() for b in true)]
    return float(np.mean(scores))


@pytest.mark.parametrize("number", range(120))
def test_equal_to_loops(number):
    prediction, truth = cases()[number]
    found, true = pieces(prediction), pieces(truth)
    scores = instances.instance_scores(prediction, truth)
    pq, sq = panoptic_by_loops(found, true)
    assert scores["pq"] == pytest.approx(pq, abs=1e-12)
    assert scores["sq"] == pytest.approx(sq, abs=1e-12)
    assert scores["rq"] == pytest.approx(object_scores(prediction, truth)["object_f1"], abs=1e-12)
    assert scores["aji"] == pytest.approx(aji_by_loops(found, true), abs=1e-12)
    expected = component_dice_by_loops(found, true)
    assert instances.component_dice(prediction, truth) == pytest.approx(expected, abs=1e-12)
    if truth.dtype == bool:
        assert shape.betti_error(prediction, truth) == abs(len(found) - len(true))


def test_by_hand():
    truth = np.zeros((4, 8), np.uint16)
    truth[:, :4], truth[:, 4:] = 1, 2  # two that touch
    merged = truth > 0
    scores = instances.instance_scores(merged, truth)
    assert scores["pq"] == 0.0  # the union has an IoU of exactly 0.5 with each
    assert scores["aji"] == pytest.approx(32 / 64)
    assert instances.component_dice(merged, truth) == pytest.approx(2 * 16 / 48)


def test_an_instance_that_the_grid_lost_is_no_object():
    truth = np.array([[5, 5, 0, 9, 9]], np.uint16)
    assert labels(truth).tolist() == [[1, 1, 0, 2, 2]]
    assert object_scores(truth > 0, truth)["object_f1"] == 1.0
