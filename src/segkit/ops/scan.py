"""`selective_scan`, with mamba-ssm's meaning and shapes, as a torch custom operator.

The operator `segkit::selective_scan` returns y and the state before each chunk of 64 steps; its
backward is the operator `segkit::selective_scan_backward`. Backends are chosen when it runs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.ops import dispatch
from segkit.ops.arguments import ScanArgs, carry_shape, carry_size, same_groups, scan_args
from segkit.ops.exact import float32_island


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    reverse: bool = False,
) -> Tensor:
    """h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = <C_t, h_t> + D u_t, times SiLU(z).

    u, delta, z: (B, D, L). A: (D, N). B, C: (B, N, L), (B, G, N, L) or (D, N). D, bias: (D,).
    `reverse` runs from the last step to the first. Computed in float32 (float64 for float64 `u`),
    also under autocast; the result has the type of `u`. z may be left out, like D and the bias.
    """
    args = same_groups(scan_args(u, delta, A, B, C, D, delta_bias, delta_softplus, reverse))
    direct = dispatch.direct_kernels()
    y = direct.scan(args)[0] if direct else torch.ops.segkit.selective_scan(*args)[0]
    if z is not None:
        y = y * F.silu(z.to(y.dtype))
    return y.to(u.dtype)


@torch.library.custom_op(
    "segkit::selective_scan",
    mutates_args=(),
    schema="(Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? bias, "
    "bool softplus, bool reverse) -> (Tensor, Tensor)",
)
def _scan(u, delta, A, B, C, D, bias, softplus, reverse):  # type: ignore[no-untyped-def]
    args = ScanArgs(u, delta, A, B, C, D, bias, softplus, reverse)
    with float32_island(u):
        y, carry = dispatch.for_scan(args).scan(args)
    return y.contiguous(), carry.flatten()


@_scan.register_fake
def _(u, delta, A, B, C, D, bias, softplus, reverse):  # type: ignore[no-untyped-def]
    args = ScanArgs(u, delta, A, B, C, D, bias, softplus, reverse)
    return u.new_empty(u.shape), u.new_empty(carry_size(carry_shape(args)))


@torch.library.custom_op(
    "segkit::selective_scan_backward",
    mutates_args=(),
    schema="(Tensor dy, Tensor carry, Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, "
    "Tensor? D, Tensor? bias, bool softplus, bool reverse) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _scan_backward(dy, carry, u, delta, A, B, C, D, bias, softplus, reverse):  # type: ignore[no-untyped-def]
    args = ScanArgs(u, delta, A, B, C, D, bias, softplus, reverse)
    with float32_island(u):
        kept = carry.view(carry_shape(args))
        grads = dispatch.for_scan(args).scan_backward(args, kept, dy)
    return tuple(grad.contiguous() for grad in grads)


@_scan_backward.register_fake
def _(dy, carry, u, delta, A, B, C, D, bias, softplus, reverse):  # type: ignore[no-untyped-def]
    tensors = [item.new_empty(item.shape) for item in (u, delta, A, B, C)]
    return *tensors, *(u.new_empty(0 if item is None else item.shape) for item in (D, bias))


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.set_materialize_grads(False)  # no zeros for the states: torch's threads spin on after them
    ctx.save_for_backward(output[1], *inputs[:7])
    ctx.flags = inputs[7:]


def _differentiate(ctx, dy, _):  # type: ignore[no-untyped-def]
    carry, *tensors = ctx.saved_tensors
    if dy is None:
        return (None,) * 9
    grads = torch.ops.segkit.selective_scan_backward(dy, carry, *tensors, *ctx.flags)
    optional = [None if item is None else grad for item, grad in zip(tensors, grads, strict=True)]
    return *optional, None, None


_scan.register_autograd(_differentiate, setup_context=_keep)
