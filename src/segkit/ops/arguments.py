"""What a scan is asked to do: arguments in one normal form, checked before a backend sees them.

Shapes: u, delta (B, D, L); A (D, N); B, C (B, G, N, L) where D is a multiple of G; D, bias (D,).
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from segkit.errors import UsageError

CHUNK = (
    64  # steps between two kept states: part of the operators' contract, the same for all backends
)


class ScanArgs(NamedTuple):
    """One selective scan: bias joins delta, then softplus; `reverse` runs from L-1 to 0."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    bias: Tensor | None = None
    softplus: bool = False
    reverse: bool = False


class ScanGrads(NamedTuple):
    """Gradients in the order of `ScanArgs`; D and bias are empty tensors when the scan has none."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor
    bias: Tensor


class SS2DArgs(NamedTuple):
    """The SS2D core on a map x (B, H, W, D), four directions: rows, columns, and both reversed."""

    x: Tensor
    w_x: Tensor  # (4, R + 2N, D), rows in the order R, N, N
    w_dt: Tensor  # (4, D, R)
    bias: Tensor  # (4, D), added to delta before softplus
    A: Tensor  # (4 D, N)
    D: Tensor  # (4 D,)


class SS2DGrads(NamedTuple):
    """Gradients in the order of `SS2DArgs`."""

    x: Tensor
    w_x: Tensor
    w_dt: Tensor
    bias: Tensor
    A: Tensor
    D: Tensor


def chunks(length: int) -> int:
    """How many states are kept for a sequence of `length` steps (the state before each chunk)."""
    return (length + CHUNK - 1) // CHUNK


def carry_shape(args: ScanArgs) -> tuple[int, int, int, int]:
    """Shape of the kept states: (B, D, chunks, N), chunks in the order of the scan."""
    batch, channels, length = args.u.shape
    return batch, channels, chunks(length), args.A.shape[1]


def ss2d_carry_shape(args: SS2DArgs) -> tuple[int, int, int, int, int]:
    """(forward or reversed pass, B, 2 D, chunks, N): rows are the first D, columns the others."""
    batch, height, width, channels = args.x.shape
    return 2, batch, 2 * channels, chunks(height * width), args.A.shape[1]


def carry_size(shape: tuple[int, ...]) -> int:
    """Floats kept; the operators return them flat, since a shape ties an exported graph to it."""
    return prod(shape)


def inner_dtype(u: Tensor) -> torch.dtype:
    """Float32 whatever comes in, float64 when it is asked for."""
    return torch.float64 if u.dtype == torch.float64 else torch.float32


def scan_args(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    reverse: bool,
) -> ScanArgs:
    """Check the shapes and bring everything to one floating type; B and C become (B, G, N, L)."""
    if u.ndim != 3 or delta.shape != u.shape:
        raise _wrong("u and delta", "(B, D, L) both", u, delta)
    if A.ndim != 2 or A.shape[0] != u.shape[1] or A.is_complex():
        raise _wrong("A", f"(D={u.shape[1]}, N), real", A)
    dtype = inner_dtype(u)
    for name, vector in (("D", D), ("delta_bias", bias)):
        if vector is not None and vector.shape != u.shape[1:2]:
            raise _wrong(name, f"(D={u.shape[1]},)", vector)
    return ScanArgs(
        u.to(dtype),
        delta.to(dtype),
        A.to(dtype),
        _grouped("B", B.to(dtype), u, A),
        _grouped("C", C.to(dtype), u, A),
        None if D is None else D.to(dtype),
        None if bias is None else bias.to(dtype),
        softplus,
        reverse,
    )


def _grouped(name: str, matrix: Tensor, u: Tensor, A: Tensor) -> Tensor:
    """(D, N), (B, N, L) or (B, G, N, L) as (B, G, N, L)."""
    batch, channels, length = u.shape
    state = A.shape[1]
    if matrix.ndim == 2 and matrix.shape == (channels, state):
        return matrix[None, :, :, None].expand(batch, channels, state, length)
    if matrix.ndim == 3:
        matrix = matrix[:, None]
    if (
        matrix.ndim != 4
        or (matrix.shape[0], *matrix.shape[2:]) != (batch, state, length)
        or matrix.shape[1] == 0
        or channels % matrix.shape[1]
    ):
        wanted = f"(B={batch}, G, N={state}, L={length}) with D={channels} a multiple of G"
        raise _wrong(name, wanted, matrix)
    return matrix


def same_groups(args: ScanArgs) -> ScanArgs:
    """B and C with one number of groups, the larger (one of them may be fixed per channel)."""
    groups = max(args.B.shape[1], args.C.shape[1])
    if args.B.shape[1] != groups:
        args = args._replace(B=args.B.repeat_interleave(groups // args.B.shape[1], 1))
    if args.C.shape[1] != groups:
        args = args._replace(C=args.C.repeat_interleave(groups // args.C.shape[1], 1))
    return args


def ss2d_args(x: Tensor, w_x: Tensor, w_dt: Tensor, bias: Tensor, A: Tensor, D: Tensor) -> SS2DArgs:
    """Check the shapes of the SS2D core and bring everything to one floating type."""
    channels = x.shape[-1]
    if x.ndim != 4:
        raise _wrong("x", "(B, H, W, D)", x)
    if w_dt.ndim != 3 or w_dt.shape[:2] != (4, channels):
        raise _wrong("dt_projs_weight", f"(4, D={channels}, R)", w_dt)
    wanted = w_dt.shape[2] + 2 * A.shape[-1]
    if w_x.shape != (4, wanted, channels):
        raise _wrong("x_proj_weight", f"(4, R + 2N = {wanted}, D={channels})", w_x)
    if bias.shape != (4, channels) or A.ndim != 2 or A.shape[0] != 4 * channels:
        raise _wrong(
            "dt_projs_bias and A", f"(4, D={channels}) and (4D={4 * channels}, N)", bias, A
        )
    if D.shape != (4 * channels,):
        raise _wrong("Ds", f"(4D={4 * channels},)", D)
    dtype = inner_dtype(x)
    return SS2DArgs(*(item.to(dtype) for item in (x, w_x, w_dt, bias, A, D)))


def _wrong(name: str, wanted: str, *tensors: Tensor) -> UsageError:
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
    return UsageError(f"{name} of the selective scan: shape {shapes}", f"expected {wanted}")
