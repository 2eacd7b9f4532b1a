"""The exact Euclidean distance transform, batched, on the tensor's own device.

Two separable passes over integers: along the columns by running maxima, then along the rows as
`min over x' of (x - x')^2 + g(x')^2`. Squares are exact; the device's square root rounds them.
Nothing is copied to the host.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = {"cpu": 1 << 22, "other": 1 << 26}  # values of the row pass that are alive at once


def distance_transform(mask: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Distance of each nonzero pixel to the nearest zero pixel of its image; zero pixels give 0.

    mask (..., H, W) of any type. An image without a zero pixel gives infinity everywhere.

    >>> distance_transform(torch.tensor([[0, 1, 1]]))
    tensor([[0., 1., 2.]])
    """
    squared = squared_distance(mask)
    distance = squared.to(dtype).sqrt()
    return distance.masked_fill(squared == unreachable(mask), torch.inf)


def border_distance(mask: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Distance of each pixel to the nearest pixel of the other class of a binary mask, at least 1.

    An image with one class only gives infinity everywhere.
    """
    inside = mask != 0
    both = distance_transform(torch.stack([inside, ~inside]), dtype)
    return both[0] + both[1]


def squared_distance(mask: Tensor) -> Tensor:
    """Squared distances as int32; `unreachable(mask)` where an image has no zero pixel."""
    height, width = mask.shape[-2:]
    if mask.ndim < 2 or height + width > 32_000:
        raise ValueError(f"a mask of shape {tuple(mask.shape)} is not images of side below 16,000")
    columns = _column_distance(mask == 0).flatten(0, -2)  # (rows of all images, W)
    best = _row_minimum(columns * columns)
    return best.clamp_(max=unreachable(mask)).view(mask.shape)


def unreachable(mask: Tensor) -> int:
    """The squared distance that stands for "no zero pixel": more than any true one."""
    return (mask.shape[-2] + mask.shape[-1]) ** 2


def _column_distance(zero: Tensor) -> Tensor:
    """Distance to the nearest zero of the same column, H + W without one. (..., H, W) int32."""
    height, width = zero.shape[-2:]
    far = height + width
    row = torch.arange(height, dtype=torch.int32, device=zero.device)[:, None]
    above = torch.where(zero, row, -far).cummax(-2).values
    below = torch.where(zero, row, 2 * far).flip(-2).cummin(-2).values.flip(-2)
    return torch.minimum(row - above, below - row).clamp_(max=far)


def _row_minimum(values: Tensor) -> Tensor:
    """min over x' of values[x'] + (x - x')^2 for every row of (R, W), a bounded piece at a time."""
    rows, width = values.shape
    column = torch.arange(width, dtype=torch.int32, device=values.device)
    offset = (column[:, None] - column).square_()  # (x, x')
    limit = _CHUNK["cpu" if values.device.type == "cpu" else "other"]
    step = max(1, limit // (width * width))
    pieces = [
        (values[start : start + step, None] + offset).amin(-1) for start in range(0, rows, step)
    ]
    return torch.cat(pieces) if pieces else values
