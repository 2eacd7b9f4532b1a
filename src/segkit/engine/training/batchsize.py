"""How much fits: the largest batch, and how many folds side by side, found by running a step."""

from __future__ import annotations

import dataclasses
import gc
import os
from pathlib import Path

import torch

from segkit import build
from segkit.engine.training import precision
from segkit.engine.training.objective import Objective, Outputs
from segkit.recipe import Recipe

LARGEST = {"cuda": 1024, "cpu": 64}  # on a CPU larger batches are no faster
SHARE = 0.6  # of the free memory that a run may take


def one_step(recipe: Recipe, device: torch.device, batch: int) -> None:
    """A training step on zeros: what a batch of this size needs at its peak."""
    torch.manual_seed(0)
    network = build.create(recipe.architecture, **recipe.model).to(device).train()
    precision.lay_out(network, recipe.train.channels_last)
    objective = Objective(recipe.loss, getattr(network, "aux_weights", ()))
    shape = (batch, recipe.model.get("in_channels", 3), *recipe.data.size)
    image = precision.in_memory_format(
        torch.zeros(shape, device=device), recipe.train.channels_last
    )
    mask = torch.zeros(batch, *recipe.data.size, dtype=torch.long, device=device)
    with precision.autocast(precision.choose(recipe.train.amp, device), device):
        outputs = Outputs(network, objective.deep)(image)
    objective([output.float() for output in outputs], mask).backward()


def peak_mb(recipe: Recipe, device: torch.device, batch: int) -> float:
    """The memory that a step has needed at most, in MB; infinite when it did not fit."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        one_step(recipe, device, batch)
    except (torch.OutOfMemoryError, MemoryError):
        return float("inf")
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return precision.memory_mb(device)


def free_mb(device: torch.device) -> float:
    """What the device, or this machine, has left."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        words = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(words["MemAvailable"].split()[0]) / 2**10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21


def largest_batch(recipe: Recipe, device: torch.device, pictures: int) -> int:
    """Doubled until the next doubling would not fit (or holds the whole training part)."""
    room = SHARE * free_mb(device)
    most = min(LARGEST.get(device.type, 64), pictures)
    base, batch = precision.memory_mb(device), 1
    while True:
        peak = peak_mb(recipe, device, batch)
        if peak == float("inf"):
            return max(1, batch // 2)
        if 2 * batch > most or 2 * (peak - base) > room:
            return batch
        batch *= 2


def fitting_folds(recipe: Recipe, device: torch.device, folds: int) -> int:
    """How many folds may train side by side on a GPU: by memory, at most four on each."""
    if device.type != "cuda":
        return 1
    devices = torch.cuda.device_count()
    peak = peak_mb(recipe, device, recipe.train.batch) + 800  # and a context of its own
    return max(1, min(folds, devices * min(4, int(SHARE * free_mb(device) / peak))))


def with_batch(recipe: Recipe, batch: int) -> Recipe:
    """The recipe with another batch size."""
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, batch=batch))
