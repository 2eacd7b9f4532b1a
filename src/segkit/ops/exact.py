"""Float32 islands: pieces that reduced precision would spoil, whatever is set around them.

Two settings reach into an operator: autocast changes its types, and TF32 (on NVIDIA GPUs) rounds
the factors of a float32 product or convolution to ten bits. A pixel coordinate of 500 is then off
by a quarter, and a sum over thousands of positions by more than a softmax forgives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def without_tf32() -> Iterator[None]:
    """Products and convolutions of float32 in float32."""
    if torch.compiler.is_compiling():  # the flags are no part of a graph
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


@contextmanager
def float32_island(x: Tensor) -> Iterator[None]:
    """Operators keep the types they are given, on the device of `x`, and compute in them."""
    if x.device.type == "meta":  # shapes alone
        yield
        return
    with torch.autocast(x.device.type, enabled=False), without_tf32():
        yield
