"""One tissue under other stains and lamps: light on dark, dark on light, in colour and in grey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from segkit.data.augmenting.operations import linear
from segkit.data.augmenting.policy import AugmentationPlan, Op

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Grey(Op):
    """All channels become their luma: a stain without its colour."""

    p: float = 0.2

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(linear(np.tile(LUMA, (3, 1)), np.zeros(3)))


@dataclass(frozen=True)
class Invert(Op):
    """255 − v: fluorescence becomes bright field, and the other way round."""

    p: float = 0.3

    def draw(self, plan: AugmentationPlan, rng: Generator) -> None:
        plan.steps.append(linear(-np.eye(3), np.full(3, 255.0)))
