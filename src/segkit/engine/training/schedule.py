"""The learning rate over the epochs, as a closed form of the epoch: resuming needs no replay.

Only `plateau` has a memory; it is two numbers and a factor. Importing this module imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from segkit import plugins
from segkit.api import Schedule as Plugin
from segkit.api import resolve
from segkit.recipe import Recipe, ScheduleRecipe

THRESHOLD = 1e-4  # plateau: an improvement is a gain of more than this share


def rate(schedule: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """The rate of an epoch (counted from 0, with a fraction for `per_step`), warm-up and plateau
    apart.
    """
    return float(_rule(schedule.name)(schedule, lr, epochs, epoch))


@cache
def _rule(name: str) -> Callable[..., float]:
    """The function of a schedule; asked for at every step."""
    value: Plugin = plugins.get("schedules", name)
    found: Callable[..., float] = resolve(value.rate)
    return found


def constant(settings: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """The rate of the recipe; `plateau` lowers it by what it observes."""
    return lr


def step(settings: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """A factor every so many epochs."""
    return max(lr * settings.factor ** (epoch // settings.every), min(lr, settings.floor))


def poly(settings: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """A power of what is left."""
    done = max(epoch - settings.delay, 0) / epochs
    return max(lr * (1 - done) ** settings.power, min(lr, settings.floor))


def cosine(settings: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """Half a cosine over all epochs, or over `t_max`."""
    return _cosine(settings, lr, epoch, settings.t_max or epochs)


def cosine_restarts(settings: ScheduleRecipe, lr: float, epochs: int, epoch: float) -> float:
    """Half cosines, each `t_mult` times as long as the one before."""
    return _cosine(settings, lr, *_cycle(epoch, settings.t_max or 10, settings.t_mult))


def _cosine(schedule: ScheduleRecipe, lr: float, epoch: float, half_period: int) -> float:
    """From lr to the floor in `half_period` epochs, and back again as torch's scheduler does."""
    swing = (1 + math.cos(math.pi * epoch / half_period)) / 2
    return schedule.floor + (lr - schedule.floor) * swing


def _cycle(epoch: float, length: int, factor: int) -> tuple[float, int]:
    """Where in which cycle of warm restarts an epoch lies: (position, length)."""
    if factor == 1:
        return epoch % length, length
    while epoch >= length:
        epoch, length = epoch - length, length * factor
    return epoch, length


@dataclass
class RateSchedule:
    """The rate of each step; `observe` feeds the plateau rule with the validation figure."""

    recipe: Recipe
    factor: float = 1.0
    best: float = -math.inf
    bad: int = 0

    def at(self, epoch: int, fraction: float = 0.0) -> float:
        """The rate at an epoch (from 0) and the fraction of it that is done."""
        plan, optim = self.recipe.schedule, self.recipe.optim
        when = epoch + fraction if plan.per_step else epoch
        base = rate(plan, optim.lr, self.recipe.train.epochs, when)
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
