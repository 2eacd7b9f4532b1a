"""What dermoscopes and skin add to a picture: hairs that cross it, and dark corners.

Both are photometric: the mask stays. The formulas take x and y as arrays of numpy or torch, so that
`cpu` and `device` draw the same hair and the same shade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from segkit.data.augmenting.policy import AugmentationPlan, Op

Range = tuple[float, float]


@dataclass(frozen=True)
class Hair(Op):
    """Some hairs: arcs of parabolas, each with its place, angle, bend, length, width and shade."""

    count: tuple[int, int] = (1, 8)
    length: Range = (0.15, 0.6)  # half of it, in sides
    bend: Range = (-0.8, 0.8)
    width: Range = (0.004, 0.010)  # in sides
    darkness: Range = (0.4, 0.9)
    p: float = 0.25

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        for _ in range(rng.integers(self.count[0], self.count[1] + 1)):
            place = rng.uniform(0, 1, 2)
            angle = rng.uniform(0, math.pi)
            ranges = (self.bend, self.length, self.width, self.darkness)
            rest = [rng.uniform(*ends) for ends in ranges]
            plan.steps.append(("hair", tuple(float(v) for v in (*place, angle, *rest))))


@dataclass(frozen=True)
class Vignette(Op):
    """Corners that get dark from some radius on (1: the corner), by some share."""

    start: Range = (0.45, 0.85)
    amount: Range = (0.4, 1.0)
    p: float = 0.2

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        numbers = (rng.uniform(*self.start), rng.uniform(*self.amount))
        plan.steps.append(("vignette", tuple(float(v) for v in numbers)))


def hair_shade(x: Any, y: Any, side: float, numbers: Any) -> Any:
    """The factor that a hair leaves of each pixel; x and y in pixels, `side` the picture's."""
    left, top, angle, bend, length, width, darkness = numbers
    dx, dy = x / side - left, y / side - top
    cosine, sine = _cos(angle), _sin(angle)
    along, across = cosine * dx + sine * dy, cosine * dy - sine * dx
    distance = abs(across - bend * along**2) / (1 + (2 * bend * along) ** 2) ** 0.5
    edge = ((width / 2 - distance) * side + 0.5).clip(0, 1)  # one pixel wide
    return 1 - darkness * edge * ((length - abs(along)) * side + 0.5).clip(0, 1)


def corner_shade(x: Any, y: Any, height: int, width: int, numbers: Any) -> Any:
    """The factor that a vignette leaves of each pixel."""
    start, amount = numbers
    across, down = 2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1
    radius = ((across**2 + down**2) / 2) ** 0.5
    depth = ((radius - start) / (1 - start)).clip(0, 1)
    return 1 - amount * depth**2 * (3 - 2 * depth)


def _cos(angle: Any) -> Any:
    return angle.cos() if hasattr(angle, "cos") else math.cos(angle)


def _sin(angle: Any) -> Any:
    return angle.sin() if hasattr(angle, "sin") else math.sin(angle)
