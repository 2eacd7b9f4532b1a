"""Masks as rings along the edges of their pixels, and rings drawn into masks again.

Coordinates are those of the plane: pixel (column x, row y) covers x to x + 1 and y to y + 1. A
pixel is inside where its centre is. So a mask that goes through rings comes back the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]  # (N, 2) x and y; the last point joins the first
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Polygon:
    """One outer ring and the holes in it."""

    outer: Ring
    holes: tuple[Ring, ...] = ()

    def as_one_ring(self) -> Ring:
        """For formats without holes: the ring goes into each hole and out again by one slit."""
        ring = self.outer
        for hole in sorted(self.holes, key=lambda hole: float(hole[:, 0].min())):
            ring = _with_slit(ring, hole)
        return ring


@dataclass(frozen=True)
class MaskPart:
    """A connected part of a mask (diagonals count): its polygons and its pixels in their box."""

    polygons: tuple[Polygon, ...]
    left: int
    top: int
    pixels: Mask

    @property
    def area(self) -> int:
        """The number of pixels."""
        return int(np.count_nonzero(self.pixels))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The bounding box: left, top, width, height."""
        return self.left, self.top, self.pixels.shape[1], self.pixels.shape[0]


def parts(mask: Mask) -> list[MaskPart]:
    """The connected parts of a mask, as they come from top to bottom."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    found = []
    for number in range(1, count):
        left, top, width, height, _ = (int(value) for value in boxes[number])
        pixels = labels[top : top + height, left : left + width] == number
        found.append(MaskPart(tuple(_polygons(pixels, left, top)), left, top, pixels))
    return found


def fill(rings: Iterable[Ring], shape: tuple[int, int]) -> Mask:
    """Where pixel centres lie within an odd number of rings."""
    mask = np.zeros(shape, bool)
    paint(mask, rings, True)
    return mask


def paint(mask: NDArray, rings: Iterable[Ring], value: int | bool) -> None:
    """Set a value where pixel centres lie within an odd number of rings."""
    points = [np.asarray(ring, float).reshape(-1, 2) for ring in rings]
    points = [ring for ring in points if len(ring) > 2]
    if not points:
        return
    every = np.concatenate(points)
    if not np.isfinite(every).all():
        raise ValueError("a coordinate is no number")
    left, top = np.clip(np.floor(every.min(0)), 0, mask.shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(every.max(0)), 0, mask.shape[::-1]).astype(int)
    if right > left and bottom > top:
        window = mask[top:bottom, left:right]
        moved = [ring - (left, top) for ring in points]
        window[_odd(moved, (int(bottom - top), int(right - left)))] = value


def _odd(rings: Sequence[Ring], shape: tuple[int, int]) -> Mask:
    """Each edge toggles, in the rows whose centres it crosses, all pixels to its right."""
    one = np.concatenate(rings)
    two = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    upper = np.where((one[:, 1] <= two[:, 1])[:, None], one, two)
    lower = np.where((one[:, 1] <= two[:, 1])[:, None], two, one)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, shape[0]).astype(np.int64)
    last = np.clip(np.ceil(lower[:, 1] - 0.5), 0, shape[0]).astype(np.int64)
    rows = last - first
    edge = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows, rows) + first[edge]
    (x1, y1), (x2, y2) = upper[edge].T, lower[edge].T
    x = x1 + (row + 0.5 - y1) * (x2 - x1) / (y2 - y1)
    column = np.clip(np.ceil(x - 0.5), 0, shape[1]).astype(np.int64)
    toggles = np.bincount(row * (shape[1] + 1) + column, minlength=shape[0] * (shape[1] + 1))
    crossed = np.cumsum(toggles.reshape(shape[0], -1), axis=1)
    return crossed[:, :-1] % 2 == 1


def _polygons(pixels: Mask, left: int, top: int) -> list[Polygon]:
    """One polygon for what hangs together by edges; parts that touch at corners are apart."""
    _, labels = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=4)
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for ring, (row, column) in _rings(pixels):
        label = int(labels[row, column])
        moved = ring + np.array([left, top])
        if _signed_area(ring) > 0:
            outer[label] = moved
        else:
            holes.setdefault(label, []).append(moved)
    return [Polygon(ring, tuple(holes.get(label, ()))) for label, ring in outer.items()]


def _signed_area(ring: Ring) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _rings(pixels: Mask) -> list[tuple[Ring, tuple[int, int]]]:
    """Rings with the pixels on their right hand, each with one of those pixels (row, column).

    In every row of the grid corners belong together by twos, in every column too; where two pixels
    touch at a corner there are two corners in one place.
    """
    corners, inside, leaves_sideways = _corners(pixels)
    y, x = corners.T
    along = _mates(np.lexsort((inside[:, 1], x, y)))
    down = _mates(np.lexsort((inside[:, 0], y, x)))
    follow = np.where(leaves_sideways, along, down).tolist()
    seen = [False] * len(follow)
    found = []
    for start in range(len(follow)):
        walk = []
        corner = start
        while not seen[corner]:
            seen[corner] = True
            walk.append(corner)
            corner = follow[corner]
        pixel = (int(inside[start, 0]), int(inside[start, 1]))
        found += [(ring, pixel) for ring in _simple(corners[walk])] if walk else []
    return found


def _mates(order: NDArray[np.int64]) -> NDArray[np.int64]:
    mates = np.empty(len(order), np.int64)
    mates[order[::2]], mates[order[1::2]] = order[1::2], order[::2]
    return mates


def _corners(pixels: Mask) -> tuple[NDArray, NDArray, NDArray]:
    """Places (y, x) where outlines turn, a pixel inside, whether the ring leaves sideways."""
    padded = np.pad(pixels, 1)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    total = a.astype(np.uint8) + b + c + d
    touching = (total == 2) & (a == d)
    places, insides, sideways = [], [], []
    for pixel, (row, column) in ((a, (-1, -1)), (b, (-1, 0)), (c, (0, -1)), (d, (0, 0))):
        alone = pixel & ((total == 1) | touching)
        opposite = {(-1, -1): d, (-1, 0): c, (0, -1): b, (0, 0): a}[row, column]
        notch = ~opposite & (total == 3)  # three pixels: this one lies across from the missing one
        diagonal = row == column  # of the pixel, as seen from the corner
        for where, leaves in ((alone, diagonal), (notch, not diagonal)):
            place = np.argwhere(where)
            places.append(place)
            insides.append(place + np.array([row, column]))
            sideways.append(np.full(len(place), leaves))
    return np.concatenate(places), np.concatenate(insides), np.concatenate(sideways)


def _simple(walk: NDArray[np.int64]) -> list[Ring]:
    """A ring that passes a place twice is two rings."""
    rings: list[list[tuple[int, int]]] = []
    path: list[tuple[int, int]] = []
    position: dict[tuple[int, int], int] = {}
    for y, x in walk.tolist():
        if (x, y) in position:
            begin = position[x, y]
            rings.append(path[begin:])
            for point in path[begin + 1 :]:
                del position[point]
            del path[begin + 1 :]
        else:
            position[x, y] = len(path)
            path.append((x, y))
    return [np.asarray(ring, float) for ring in [*rings, path] if len(ring) > 2]


def _with_slit(ring: Ring, hole: Ring) -> Ring:
    """From the ring's nearest point into the hole, around it, and back the same way."""
    start = int(np.argmin(hole[:, 0]))
    nearest = int(np.argmin(((ring - hole[start]) ** 2).sum(1)))
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([ring[: nearest + 1], around, ring[nearest:]])
