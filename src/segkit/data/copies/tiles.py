"""Neighbouring tiles of one field: the last line of one picture continues in the first line of
another.

A link needs border lines that correlate, that are each other's best match, and a step across the
border that is no larger than the step between the last two lines inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.data.copies.duplicates import Copy

CORRELATION = 0.8
STEP = 1.3
LEVEL = 3.0  # grey levels between the backgrounds
SMOOTH = 17

Line = NDArray[np.float32]


@dataclass(frozen=True)
class Borders:
    """The outer line and the one inside it, for each side of a picture."""

    size: tuple[int, int]
    sides: Mapping[str, tuple[Line, Line]]


def borders(image: NDArray[np.uint8]) -> Borders:
    """The grey border lines of a picture at its original size."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    lines = {
        "left": (image[:, 0], image[:, 1]),
        "right": (image[:, -1], image[:, -2]),
        "top": (image[0], image[1]),
        "bottom": (image[-1], image[-2]),
    }
    grey = {side: (outer @ weights, inner @ weights) for side, (outer, inner) in lines.items()}
    return Borders((image.shape[0], image.shape[1]), grey)


def find(ids: Sequence[str], read: Callable[[str], NDArray[np.uint8]]) -> list[Copy]:
    """Links between neighbouring tiles; only pictures of one size are compared."""
    by_size: dict[tuple[int, int], list[tuple[str, Borders]]] = {}
    for name in ids:
        known = borders(read(name))
        if min(known.size) > 1:
            by_size.setdefault(known.size, []).append((name, known))
    twins: dict[tuple[str, str], Copy] = {}
    for members in by_size.values():
        for first, second in (("right", "left"), ("bottom", "top")):
            for a, b, score in _links([known for _, known in members], first, second):
                one, other = sorted((members[a][0], members[b][0]))
                twins[one, other] = Copy(one, other, "tile", round(score, 3))
    return [twins[key] for key in sorted(twins)]


def _links(known: Sequence[Borders], first: str, second: str) -> list[tuple[int, int, float]]:
    if len(known) < 2:
        return []
    ends, starts = (np.stack([b.sides[s][0] for b in known]) for s in (first, second))
    correlation = _unit(ends) @ _unit(starts).T
    fine = _unit(_rough(ends)) @ _unit(_rough(starts)).T
    for matrix in (correlation, fine):
        np.fill_diagonal(matrix, -1)
    mutual = (fine == fine.max(1, keepdims=True)) & (fine == fine.max(0, keepdims=True))
    found = []
    for a, b in zip(*np.nonzero(mutual & (correlation > CORRELATION)), strict=True):
        if _continues(known[a].sides[first], known[b].sides[second]):
            found.append((int(a), int(b), float(correlation[a, b])))
    return found


def _continues(one: tuple[Line, Line], other: tuple[Line, Line]) -> bool:
    """Whether the step across the border is one that is usual inside the two pictures."""
    across = np.abs(one[0] - other[0])
    inside = max(np.abs(line[0] - line[1]).mean() for line in (one, other))
    return bool(across.mean() < STEP * max(inside, 0.3) and np.median(across) <= LEVEL)


def _rough(lines: NDArray) -> NDArray:
    """Lines without their slow variation: what is left tells neighbours apart."""
    half = SMOOTH // 2
    padded = np.pad(lines, ((0, 0), (half, half)), mode="symmetric")
    sums = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    return lines - ((sums[:, SMOOTH:] - sums[:, :-SMOOTH]) / SMOOTH).astype(np.float32)


def _unit(lines: NDArray) -> NDArray:
    """Mean 0, length 1; a line without variation stays short and is like nothing."""
    centred = lines - lines.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return centred / np.maximum(length, 0.5 * np.sqrt(lines.shape[1]))
