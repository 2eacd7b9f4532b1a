"""SS2D in terms of the one-dimensional scan: any backend that can scan can do SS2D with this.

Directions 0 and 1 read the map by rows and by columns, 2 and 3 the same two backwards. So two
scans over the same two sequences, the second reversed, need no flipped copy; the projections act
on pixels and commute with the order.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segkit.ops import products
from segkit.ops.arguments import ScanArgs, ScanGrads, SS2DArgs, SS2DGrads

Forward = Callable[[ScanArgs], tuple[Tensor, Tensor]]
Backward = Callable[[ScanArgs, Tensor, Tensor], ScanGrads]
Product = Callable[[Tensor, Tensor], Tensor]


def sequences(image: Tensor) -> Tensor:
    """(B, H, W, D) as (B, 2, D, L): by rows, by columns."""
    rows = image.permute(0, 3, 1, 2).flatten(2)
    columns = image.permute(0, 3, 2, 1).flatten(2)
    return torch.stack((rows, columns), 1)


def merge(y: Tensor, height: int, width: int) -> Tensor:
    """(B, 2, D, L) by rows and by columns, as one map (B, H, W, D)."""
    rows = y[:, 0].unflatten(-1, (height, width)).permute(0, 2, 3, 1)
    columns = y[:, 1].unflatten(-1, (width, height)).permute(0, 3, 2, 1)
    return rows + columns


def project(
    args: SS2DArgs, pair: Tensor, backwards: bool, multiply: Product = products.multiply
) -> tuple[Tensor, ScanArgs]:
    """The rank-R step sizes (B, 2, R, L) and the scan of one pass over both sequences."""
    batch, _, channels, length = pair.shape
    which = slice(2, 4) if backwards else slice(0, 2)
    rank, state = args.w_dt.shape[2], args.A.shape[1]
    low, B, C = multiply(args.w_x[which], pair).split([rank, state, state], 2)
    delta = multiply(args.w_dt[which], low).reshape(batch, 2 * channels, length)
    half = slice(2 * channels, None) if backwards else slice(0, 2 * channels)
    bias = args.bias[which].reshape(-1)
    u = pair.reshape(batch, 2 * channels, length)
    return low, ScanArgs(u, delta, args.A[half], B, C, args.D[half], bias, True, backwards)


def forward(
    args: SS2DArgs, scan: Forward, multiply: Product = products.multiply
) -> tuple[Tensor, Tensor]:
    """The merged map (B, H, W, D) and the kept states of both passes."""
    _, height, width, _ = args.x.shape
    pair = sequences(args.x)
    ahead, kept = scan(project(args, pair, False, multiply)[1])
    back, kept_back = scan(project(args, pair, True, multiply)[1])
    total = (ahead + back).view(pair.shape)
    return merge(total, height, width).contiguous(), torch.stack((kept, kept_back))


def backward(args: SS2DArgs, kept: Tensor, dy: Tensor, scan_backward: Backward) -> SS2DGrads:
    """All gradients of `forward`, from the kept states."""
    _, height, width, _ = args.x.shape
    pair, dy_pair = sequences(args.x), sequences(dy)
    passes = [
        _pass_backward(args, pair, dy_pair, kept[index], bool(index), scan_backward)
        for index in (0, 1)
    ]
    first, second = passes
    return SS2DGrads(
        merge(first.x + second.x, height, width).contiguous(),
        *(torch.cat(both) for both in zip(first[1:], second[1:], strict=True)),
    )


def _pass_backward(
    args: SS2DArgs, pair: Tensor, dy: Tensor, kept: Tensor, backwards: bool, step: Backward
) -> SS2DGrads:
    """Gradients of one pass; x stands for both sequences, weights for its two directions."""
    which = slice(2, 4) if backwards else slice(0, 2)
    low, scan = project(args, pair, backwards)
    grads = step(scan, kept, dy.reshape(scan.u.shape))
    d_delta = grads.delta.view(pair.shape)
    d_low = products.multiply(args.w_dt[which].transpose(1, 2), d_delta)
    d_all = torch.cat((d_low, grads.B, grads.C), 2)  # (B, 2, R + 2N, L)
    d_pair = grads.u.view(pair.shape) + products.multiply(args.w_x[which].transpose(1, 2), d_all)
    d_w_dt = products.multiply_over_steps(d_delta, low)
    d_w_x = products.multiply_over_steps(d_all, pair)
    return SS2DGrads(d_pair, d_w_x, d_w_dt, grads.bias.view(2, -1), grads.A, grads.D)
