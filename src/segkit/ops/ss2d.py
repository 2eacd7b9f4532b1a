"""`ss2d`: the core of the 2-D selective scan, projections and merge included, as one operator."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops import dispatch
from segkit.ops.arguments import SS2DArgs, carry_size, ss2d_args, ss2d_carry_shape
from segkit.ops.exact import float32_island


def ss2d(
    x: Tensor,
    x_proj_weight: Tensor,
    dt_projs_weight: Tensor,
    dt_projs_bias: Tensor,
    A: Tensor,
    Ds: Tensor,
) -> Tensor:
    """Scan x (B, H, W, D) by rows, by columns and both backwards, with weights for each; sum.

    x_proj_weight (4, R + 2N, D) in the order R, N, N; dt_projs_weight (4, D, R); dt_projs_bias
    (4, D); A (4 D, N), negative; Ds (4 D,). Returns (B, H, W, D) in the type of `x`; computes in
    float32, or float64 for float64 `x`.
    """
    args = ss2d_args(x, x_proj_weight, dt_projs_weight, dt_projs_bias, A, Ds)
    direct = dispatch.direct_kernels()
    y = direct.ss2d(args)[0] if direct else torch.ops.segkit.ss2d(*args)[0]
    return y.to(x.dtype)


@torch.library.custom_op(
    "segkit::ss2d",
    mutates_args=(),
    schema="(Tensor x, Tensor w_x, Tensor w_dt, Tensor bias, Tensor A, Tensor D) "
    "-> (Tensor, Tensor)",
)
def _ss2d(x, w_x, w_dt, bias, A, D):  # type: ignore[no-untyped-def]
    args = SS2DArgs(x, w_x, w_dt, bias, A, D)
    with float32_island(x):
        y, carry = dispatch.for_ss2d(args).ss2d(args)
    return y.contiguous(), carry.flatten()


@_ss2d.register_fake
def _(x, w_x, w_dt, bias, A, D):  # type: ignore[no-untyped-def]
    carry = carry_size(ss2d_carry_shape(SS2DArgs(x, w_x, w_dt, bias, A, D)))
    return x.new_empty(x.shape), x.new_empty(carry)


@torch.library.custom_op(
    "segkit::ss2d_backward",
    mutates_args=(),
    schema="(Tensor dy, Tensor carry, Tensor x, Tensor w_x, Tensor w_dt, Tensor bias, Tensor A, "
    "Tensor D) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _ss2d_backward(dy, carry, x, w_x, w_dt, bias, A, D):  # type: ignore[no-untyped-def]
    args = SS2DArgs(x, w_x, w_dt, bias, A, D)
    with float32_island(x):
        kept = carry.view(ss2d_carry_shape(args))
        grads = dispatch.for_ss2d(args).ss2d_backward(args, kept, dy)
    return tuple(grad.contiguous() for grad in grads)


@_ss2d_backward.register_fake
def _(dy, carry, *inputs):  # type: ignore[no-untyped-def]
    return tuple(item.new_empty(item.shape) for item in inputs)


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.set_materialize_grads(False)  # no zeros for the states: torch's threads spin on after them
    ctx.save_for_backward(output[1], *inputs)


def _differentiate(ctx, dy, _):  # type: ignore[no-untyped-def]
    carry, *inputs = ctx.saved_tensors
    if dy is None:
        return (None,) * 6
    return torch.ops.segkit.ss2d_backward(dy, carry, *inputs)


_ss2d.register_autograd(_differentiate, setup_context=_keep)
