"""Keeping a piece of a network in at least float32, whatever autocast says around it."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.exact import float32_island

__all__ = ["at_least_float32", "float32_island"]


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
