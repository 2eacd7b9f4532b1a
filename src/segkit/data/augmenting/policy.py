"""Augmentation policies: one declaration, drawn once per sample, executed on a CPU or a device.

A policy is a list of operations. Drawing gives a `Plan`: one matrix and one field for all geometry,
and a list of photometric steps. Random numbers are a function of (seed, epoch, sample id) alone, so
workers, batch size, device count and resume change nothing. `augment_cpu` and `augment_device`
execute plans; image pixels are interpolated linearly, masks by nearest neighbour, outside is 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

Step = tuple[str, tuple[float, ...]]  # a photometric step: its kind and its drawn numbers


@dataclass
class AugmentationPlan:
    """What is to happen to one sample of H × W."""

    height: int
    width: int
    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))  # output (x, y, 1) -> input
    warp: np.ndarray | None = None  # (gh, gw, 2): displacement (x, y) of a coarse output grid
    steps: list[Step] = field(default_factory=list)  # photometric, in order
    holes: list[tuple[int, int, int, int]] = field(default_factory=list)  # y0, x0, y1, x1
    seed: int = 0  # for noise maps

    def move(self, inverse: np.ndarray) -> None:
        """A further geometric operation, given as the map from its output to its input."""
        self.matrix = self.matrix @ inverse

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (x, y) in pixel coordinates."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def still(self) -> bool:
        """No geometry at all."""
        return self.warp is None and np.array_equal(self.matrix, np.eye(3))


class Op:
    """An operation draws its numbers and writes them into the plan."""

    p: float = 1.0

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        raise TypeError(f"{type(self).__name__} draws nothing")


@dataclass(frozen=True)
class Policy:
    """Operations in order, each with its own coin; or `pick` of them, distinct, in random order."""

    name: str
    ops: tuple[Op, ...] = ()
    pick: tuple[int, int] | None = None  # draw how many, both ends included

    def draw(self, rng: Generator, height: int, width: int) -> AugmentationPlan:
        """The plan of one sample."""
        plan = AugmentationPlan(height, width)
        for op in self._chosen(rng):
            if op.p >= 1 or rng.random() < op.p:
                op.draw(plan, rng)
        plan.seed = int(rng.integers(2**31))
        return plan

    def _chosen(self, rng: Generator) -> Sequence[Op]:
        if self.pick is None:
            return self.ops
        count = rng.integers(self.pick[0], self.pick[1] + 1)
        return [self.ops[i] for i in rng.permutation(len(self.ops))[:count]]


def generator(seed: int, epoch: int, key: str) -> Generator:
    """The random numbers of one sample in one epoch."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{key}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def about_centre(plan: AugmentationPlan, inverse: np.ndarray) -> np.ndarray:
    """A 2 × 2 map as one about the middle of the picture."""
    matrix = np.eye(3)
    matrix[:2, :2] = inverse
    centre = np.asarray(plan.centre)
    matrix[:2, 2] = centre - inverse @ centre
    return matrix
