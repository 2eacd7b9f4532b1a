"""What the operators cost, for torch's FlopCounterMode and for `segkit profile`.

A state update (one h_t of one channel and state) costs 9 floating point operations; the skip one
per channel and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

import segkit.ops.scan
import segkit.ops.ss2d  # (the operators must exist before they get a formula)
import segkit.ops.wkv  # noqa: F401

Shape = Sequence[int]


def scan_updates(u: Shape, A: Shape) -> int:
    """State updates of a scan: B D L N."""
    return prod(u) * A[1]


def ss2d_updates(x: Shape, A: Shape) -> int:
    """State updates of the SS2D core: B L 4 D N."""
    return 4 * prod(x) * A[1]


def ss2d_macs(x: Shape, w_x: Shape, w_dt: Shape) -> int:
    """Multiply-accumulates of the two projections of the SS2D core."""
    return prod(x) * 4 * (w_x[1] + w_dt[2])


WKV_STATES = 2  # a sum of weighted values and a sum of weights


def wkv_updates(k: Shape) -> int:
    """State updates of WKV on k (B, T, C): two directions, two sums each."""
    return 2 * WKV_STATES * prod(k)


def update_flops(updates: int, state: int) -> int:
    """Floating point operations of `updates` state updates."""
    return 9 * updates + updates // state


@register_flop_formula(torch.ops.segkit.selective_scan)
def _scan(u: Shape, delta: Shape, A: Shape, *rest: Any, out_shape: Any = None, **_: Any) -> int:
    return update_flops(scan_updates(u, A), A[1])


@register_flop_formula(torch.ops.segkit.selective_scan_backward)
def _scan_backward(
    dy: Shape, carry: Shape, u: Shape, delta: Shape, A: Shape, *rest: Any, **_: Any
) -> int:
    return 2 * update_flops(scan_updates(u, A), A[1])


@register_flop_formula(torch.ops.segkit.ss2d)
def _ss2d(x: Shape, w_x: Shape, w_dt: Shape, bias: Shape, A: Shape, *rest: Any, **_: Any) -> int:
    return 2 * ss2d_macs(x, w_x, w_dt) + update_flops(ss2d_updates(x, A), A[1])


@register_flop_formula(torch.ops.segkit.ss2d_backward)
def _ss2d_backward(
    dy: Shape,
    carry: Shape,
    x: Shape,
    w_x: Shape,
    w_dt: Shape,
    bias: Shape,
    A: Shape,
    *rest: Any,
    **_: Any,
) -> int:
    return 2 * _ss2d(x, w_x, w_dt, bias, A)


@register_flop_formula(torch.ops.segkit.wkv)
def _wkv(w: Shape, u: Shape, k: Shape, v: Shape, out_shape: Any = None, **_: Any) -> int:
    return update_flops(wkv_updates(k), WKV_STATES)
