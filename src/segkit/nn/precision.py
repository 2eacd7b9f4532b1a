"""Keeping a piece of a network in at least float32, whatever autocast says around it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A block in which operators keep the types they are given, on the device of `x`."""
    if x.device.type == "meta":  # shapes alone: there is no autocast to switch off
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
