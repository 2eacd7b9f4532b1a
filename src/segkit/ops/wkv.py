"""The WKV mixing of RWKV in both directions, over tokens without an order (Vision-RWKV).

y_t = (sum over i≠t of e^(k_i - (|t-i|-1) w) v_i  +  e^(u + k_t) v_t) / (the same without v + ε)

for every channel, with w = decay / T and u = first / T for T tokens; ε = 1e-6 after the largest
exponent is taken out. `reference.wkv` computes it as it stands, in T² steps. Two forms need T only:
running sums of e^(k_i ± i w), while the decay is small enough for their range, and for any decay
sums that double their reach at each step and carry their own largest exponent.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.ops.exact import float32_island

EPSILON = 1e-6
NARROW = {torch.float32: 30.0, torch.float64: 300.0}  # |decay| that the running sums can hold


def bidirectional_wkv(decay: Tensor, first: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Mix v (B, T, C) by k (B, T, C) and the distances of tokens; decay and first are (C,).

    Computed in float32 (float64 for float64 `k`); the result has the type of `k`. Exported graphs
    take the running sums: right for decays up to 30.
    """
    kind = torch.promote_types(k.dtype, torch.float32)
    w, u, keys, values = (x.to(kind) for x in (decay / k.shape[1], first / k.shape[1], k, v))
    if torch.compiler.is_exporting():
        return by_running_sums(w, u, keys, values, exact=False).to(k.dtype)
    if torch.is_grad_enabled() and any(x.requires_grad for x in (w, u, keys, values)):
        with float32_island(k):
            return _chosen(w, u, keys, values).to(k.dtype)
    return torch.ops.segkit.wkv(w, u, keys, values).to(k.dtype)


def _chosen(w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
    narrow = w.numel() == 0 or float(w.detach().abs().max()) * k.shape[1] <= NARROW[k.dtype]
    return by_running_sums(w, u, k, v) if narrow else by_doubling(w, u, k, v)


def by_running_sums(w: Tensor, u: Tensor, k: Tensor, v: Tensor, exact: bool = True) -> Tensor:
    """Two cumulative sums. Not `exact`: ε relative to the sum, which is off by 1e-6 at most."""
    place = torch.arange(k.shape[1], device=k.device, dtype=k.dtype)[:, None] * w  # (T, C)
    rise, fall = k + place, k - place
    top_rise, top_fall = rise.amax(1, keepdim=True), fall.amax(1, keepdim=True)
    before = torch.exp(rise - top_rise), top_rise - place + w  # weights, and the scale of their sum
    after = torch.exp(fall - top_fall), top_fall + place + w
    own = u + k
    if exact:
        largest = torch.maximum(own, _shifted(rise.cummax(1).values, -torch.inf) - place + w)
        behind = _shifted(fall.flip(1).cummax(1).values, -torch.inf).flip(1) + place + w
        largest = torch.maximum(largest, behind)
    else:
        largest = torch.maximum(own, torch.maximum(before[1], after[1]))
    ahead, back = (torch.exp(scale - largest) for _, scale in (before, after))
    self_weight = torch.exp(own - largest)
    above = ahead * _shifted((before[0] * v).cumsum(1)) + self_weight * v
    above = above + back * _shifted((after[0] * v).flip(1).cumsum(1)).flip(1)
    below = ahead * _shifted(before[0].cumsum(1)) + self_weight
    below = below + back * _shifted(after[0].flip(1).cumsum(1)).flip(1)
    return above / (below + EPSILON if exact else below * (1 + EPSILON))


def by_doubling(w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """log2(T) steps of the whole length; no decay is too large."""
    ahead = [_shifted(x, fill) for x, fill in zip(_swept(w, k, v), (-torch.inf, 0, 0), strict=True)]
    swept = zip(_swept(w, k.flip(1), v.flip(1)), (-torch.inf, 0, 0), strict=True)
    back = [_shifted(x, fill).flip(1) for x, fill in swept]
    own = [u + k, v, torch.ones_like(v)]
    largest = torch.maximum(own[0], torch.maximum(ahead[0], back[0]))
    scales = [torch.exp(part[0] - largest) for part in (ahead, back, own)]
    above, below = (
        sum(
            (scale * part[n] for scale, part in zip(scales, (ahead, back, own), strict=True)), k * 0
        )
        for n in (1, 2)
    )
    return above / (below + EPSILON)


def _swept(w: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of all tokens up to t: the largest exponent, and over it the sums with v and of weights."""
    top, above, below = k, v, torch.ones_like(v)
    reach = 1
    while reach < k.shape[1]:
        far = _shifted(top, -torch.inf, reach) - reach * w
        largest = torch.maximum(top, far)
        near_scale, far_scale = torch.exp(top - largest), torch.exp(far - largest)
        above = near_scale * above + far_scale * _shifted(above, 0, reach)
        below = near_scale * below + far_scale * _shifted(below, 0, reach)
        top, reach = largest, 2 * reach
    return top, above, below


def _shifted(x: Tensor, fill: float = 0.0, by: int = 1) -> Tensor:
    """Every token sees the one `by` places before it."""
    return F.pad(x[:, : x.shape[1] - by], (0, 0, by, 0), value=fill)


@torch.library.custom_op(
    "segkit::wkv", mutates_args=(), schema="(Tensor w, Tensor u, Tensor k, Tensor v) -> Tensor"
)
def _wkv(w, u, k, v):  # type: ignore[no-untyped-def]
    with float32_island(k):
        return _chosen(w, u, k, v).contiguous()


@_wkv.register_fake
def _(w, u, k, v):  # type: ignore[no-untyped-def]
    return v.new_empty(v.shape)
