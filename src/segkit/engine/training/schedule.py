"""The learning rate over the epochs, as a closed form of the epoch: resuming needs no replay.

Only `plateau` has a memory; it is two numbers and a factor. Importing this module imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from segkit.recipe import Recipe, ScheduleRecipe

THRESHOLD = 1e-4  # plateau: an improvement is a gain of more than this share


def rate(schedule: ScheduleRecipe, lr: float, epochs: int, epoch: int) -> float:
    """The rate of an epoch (counted from 0), warm-up and plateau apart."""
    if schedule.name == "step":
        return max(lr * schedule.factor ** (epoch // schedule.every), min(lr, schedule.floor))
    if schedule.name == "poly":
        done = max(epoch - schedule.delay, 0) / epochs
        return max(lr * (1 - done) ** schedule.power, min(lr, schedule.floor))
    if schedule.name == "cosine":
        return _cosine(schedule, lr, epoch, schedule.t_max or epochs)
    if schedule.name == "cosine_restarts":
        return _cosine(schedule, lr, *_cycle(epoch, schedule.t_max or 10, schedule.t_mult))
    return lr


def _cosine(schedule: ScheduleRecipe, lr: float, epoch: int, half_period: int) -> float:
    """From lr to the floor in `half_period` epochs, and back again as torch's scheduler does."""
    swing = (1 + math.cos(math.pi * epoch / half_period)) / 2
    return schedule.floor + (lr - schedule.floor) * swing


def _cycle(epoch: int, length: int, factor: int) -> tuple[int, int]:
    """Where in which cycle of warm restarts an epoch lies: (position, length)."""
    if factor == 1:
        return epoch % length, length
    while epoch >= length:
        epoch, length = epoch - length, length * factor
    return epoch, length


@dataclass
class Schedule:
    """The rate of each step; `observe` feeds the plateau rule with the validation figure."""

    recipe: Recipe
    factor: float = 1.0
    best: float = -math.inf
    bad: int = 0

    def at(self, epoch: int, fraction: float = 0.0) -> float:
        """The rate at an epoch (from 0) and the fraction of it that is done."""
        plan, optim = self.recipe.schedule, self.recipe.optim
        base = rate(plan, optim.lr, self.recipe.train.epochs, epoch)
        if plan.name == "plateau":
            base = max(base * self.factor, min(base, plan.floor))
        warm = min(1.0, (epoch + fraction) / plan.warmup) if plan.warmup else 1.0
        return base * warm

    def observe(self, score: float) -> None:
        """After an epoch: plateau lowers the rate when the score has not risen for `patience`."""
        if self.recipe.schedule.name != "plateau":
            return
        if score > self.best + THRESHOLD * abs(self.best) or self.best == -math.inf:
            self.best, self.bad = score, 0
            return
        self.bad += 1
        if self.bad > self.recipe.schedule.patience:
            self.factor, self.bad = self.factor * self.recipe.schedule.factor, 0

    def state(self) -> dict[str, Any]:
        """What `last.pt` keeps of it."""
        return {"factor": self.factor, "best": self.best, "bad": self.bad}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        self.factor, self.best, self.bad = state["factor"], state["best"], state["bad"]


def rescaled(recipe: ScheduleRecipe, before: int, after: int) -> tuple[dict[str, Any], list[str]]:
    """A schedule for `before` epochs fitted to `after`: the changed settings, and words."""
    ratio = after / before
    changed: dict[str, Any] = {}
    if recipe.name == "step":
        changed["every"] = max(1, round(recipe.every * ratio))
    if recipe.name in ("cosine", "cosine_restarts") and recipe.t_max:
        changed["t_max"] = max(1, round(recipe.t_max * ratio))
    if recipe.name == "plateau":
        changed["patience"] = max(1, round(recipe.patience * ratio))
    if recipe.warmup:
        changed["warmup"] = recipe.warmup * min(1.0, ratio)
    moved = {k: v for k, v in changed.items() if v != getattr(recipe, k)}
    return moved, [f"schedule.{k} {getattr(recipe, k)} → {v:g}" for k, v in moved.items()]
