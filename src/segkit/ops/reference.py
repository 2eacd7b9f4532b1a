"""Selective scan and WKV as they are defined. Slow; the yardstick of the tests.

h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t,  y_t = <C_t, h_t> + D u_t
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.ops.arguments import ScanArgs


def steps(args: ScanArgs) -> Tensor:
    """The step sizes as the recurrence uses them: bias added, softplus applied."""
    delta = args.delta if args.bias is None else args.delta + args.bias[:, None]
    return F.softplus(delta) if args.softplus else delta


def scan(args: ScanArgs) -> Tensor:
    """y (B, D, L), by a plain differentiable loop over L."""
    batch, channels, length = args.u.shape
    delta = steps(args)
    B, C = (
        m.repeat_interleave(channels // m.shape[1], 1).unbind(-1)  # L times (B, D, N)
        for m in (args.B, args.C)
    )
    decay = [torch.exp(d[..., None] * args.A) for d in delta.unbind(-1)]
    drive = (delta * args.u).unbind(-1)
    state = args.u.new_zeros(batch, channels, args.A.shape[1])
    out: list[Tensor] = [state.sum(-1)] * length
    for t in reversed(range(length)) if args.reverse else range(length):
        state = decay[t] * state + drive[t][..., None] * B[t]
        out[t] = (state * C[t]).sum(-1)
    y = torch.stack(out, -1) if length else args.u * 0
    return y if args.D is None else y + args.D[:, None] * args.u


def wkv(w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every token t by every token i, (B, T, T, C) of memory; see segkit.ops.wkv."""
    place = torch.arange(k.shape[1], device=k.device)
    apart = (place[:, None] - place).abs()[:, :, None]  # (T, T, 1)
    exponent = torch.where(apart == 0, u + k[:, None], k[:, None] - (apart - 1) * w)
    weight = torch.exp(exponent - exponent.amax(2, keepdim=True))
    return (weight * v[:, None]).sum(2) / (weight.sum(2) + 1e-6)
