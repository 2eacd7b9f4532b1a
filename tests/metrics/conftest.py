"""The pairs of masks on which every metric is compared with an independent implementation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

Pair = tuple[np.ndarray, np.ndarray]


def blobs(generator: np.random.Generator, high: int, wide: int, many: int) -> np.ndarray:
    """Ellipses anywhere, also across the border."""
    mask = np.zeros((high, wide), np.uint8)
    for _ in range(many):
        centre = (int(generator.integers(0, wide)), int(generator.integers(0, high)))
        axes = (int(generator.integers(1, max(2, wide // 3))), int(generator.integers(1, 12)))
        cv2.ellipse(mask, centre, axes, float(generator.integers(0, 180)), 0, 360, 1, -1)
    return mask.astype(bool)


def random_pairs(count: int = 200, seed: int = 0) -> list[Pair]:
    """Blobs, shifted blobs and noise of many sizes."""
    generator = np.random.default_rng(seed)
    pairs = []
    for i in range(count):
        high, wide = (int(side) for side in generator.integers(5, 90, 2))
        one = blobs(generator, high, wide, 1 + i % 7)
        if i % 3 == 0:
            other = np.roll(one, generator.integers(-4, 5, 2), (0, 1))
        elif i % 3 == 1:
            other = blobs(generator, high, wide, 1 + i % 5)
        else:
            one, other = (generator.random((2, high, wide)) < generator.random()).astype(bool)
        pairs.append((one, other))
    return pairs


def pathological_pairs() -> list[Pair]:
    """Empty, full, one pixel, lines, frames, far corners, a chequerboard, holes, many parts."""
    size = (33, 47)
    empty, full = np.zeros(size, bool), np.ones(size, bool)
    dot, corner, far = (np.zeros(size, bool) for _ in range(3))
    dot[16, 20], corner[0, 0], far[-1, -1] = True, True, True
    row, column, frame = (np.zeros(size, bool) for _ in range(3))
    row[10], column[:, 5] = True, True
    frame[0], frame[-1], frame[:, 0], frame[:, -1] = True, True, True, True
    board = np.indices(size).sum(0) % 2 == 0
    ring = np.zeros(size, bool)
    ring[5:25, 5:40], ring[10:20, 12:30] = True, False
    parts = np.zeros(size, bool)
    parts[::4, ::4] = True
    wide = np.zeros((4, 600), bool)
    wide[1, 2] = True
    left, right = wide, wide[:, ::-1]
    single = np.ones((1, 1), bool)
    return [
        (empty, empty), (empty, full), (full, empty), (full, full), (dot, empty), (empty, dot),
        (dot, dot), (dot, full), (corner, far), (far, corner), (row, column), (frame, dot),
        (frame, full), (board, ~board), (ring, ~ring), (parts, ring), (left, right),
        (left | right, left), (single, single), (ring, full),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def pairs() -> list[Pair]:
    """200 random and 20 pathological pairs."""
    found = random_pairs() + pathological_pairs()
    assert len(found) == 220
    return found


@pytest.fixture(scope="session")
def solid_pairs(pairs: list[Pair]) -> list[Pair]:
    """Those of which neither mask is empty."""
    return [(one, other) for one, other in pairs if one.any() and other.any()]
