"""Products and sums whose bits do not depend on the number of threads, in plain torch.

A BLAS library cuts one large product differently for every number of threads. Many small ones it
hands out whole, so here the sequence is cut into pieces, by its length alone. Sums over pieces and
positions are trees of elementwise additions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 256  # steps of one product at most
MATRICES = 64  # products at a time at least: no fewer than threads


def multiply(weight: Tensor, x: Tensor) -> Tensor:
    """`torch.matmul` of (K, E, D) and (B, K, D, L), as (B, K, E, L)."""
    if x.device.type != "cpu" or not x.numel():
        return torch.matmul(weight, x)
    batch, length = x.shape[0], x.shape[-1]
    pieces = fold(x)
    products = [
        torch.bmm(w.expand(part.shape[0], *w.shape), part)
        for w, part in zip(weight, pieces, strict=True)
    ]
    out = torch.stack(products).unflatten(1, (batch, -1))  # (K, B, m, E, P)
    return out.permute(1, 0, 3, 2, 4).flatten(3)[..., :length]


def multiply_over_steps(a: Tensor, b: Tensor) -> Tensor:
    """The sum over B and L of (B, K, E, L) times (B, K, D, L): (K, E, D)."""
    if a.device.type != "cpu" or not a.numel():
        return torch.matmul(a, b.transpose(2, 3)).sum(0)
    pairs = zip(fold(a), fold(b), strict=True)
    return torch.stack([total(torch.bmm(x, y.transpose(1, 2)), 0) for x, y in pairs])


def fold(x: Tensor) -> Tensor:
    """(B, K, D, L) as (K, B m, D, P): pieces of P steps, zeros at the end of the last."""
    batch, length = x.shape[0], x.shape[-1]
    piece = max(1, min(PIECE, batch * length // MATRICES))
    count = max(-(-length // piece), -(-MATRICES // batch))
    x = F.pad(x, (0, count * piece - length)).unflatten(-1, (count, piece))
    return x.permute(1, 0, 3, 2, 4).flatten(1, 2).contiguous()


def total(x: Tensor, dim: int) -> Tensor:
    """`x.sum(dim)`: halves are added until one row is left."""
    x = x.movedim(dim, 0)
    if not x.shape[0]:
        return x.sum(0)
    while (count := x.shape[0]) > 1:
        half = count // 2
        added = x[:half] + x[half : 2 * half]
        x = torch.cat((added, x[-1:])) if count % 2 else added
    return x[0]


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)); torch's own rounds differently at the ends of what a thread gets."""
    return x.abs().neg_().exp_().log1p_().add_(x.clamp(min=0))
