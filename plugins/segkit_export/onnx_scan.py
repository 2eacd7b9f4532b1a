"""The selective scan and SS2D in ONNX: what `segkit::selective_scan` and `segkit::ss2d` become.

A runtime pays some microseconds for each step and node of a Scan, so a sequence of L steps is cut
into about √L chunks that advance side by side: one Scan gives the state at the end of each chunk,
a second chains them, a third starts from the right states and emits y. Sizes are read at run time.

Letters: G groups, D channels of a group, N states, B batch, L length, T steps of a chunk, m chunks,
M = B·m.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from onnxscript import FLOAT, INT64, graph, opset18, script
from onnxscript.values import Opset

from segkit.ops import scan as _scan  # noqa: F401  (defines segkit::selective_scan)
from segkit.ops import ss2d as _ss2d  # noqa: F401  (defines segkit::ss2d)

op: Any = opset18  # its own annotations know no Python numbers
INT64_TYPE, FLOAT_TYPE = 7, 1
BEGIN = -(2**63) + 1  # where a backward slice ends


@script(Opset("segkit", 1), default_opset=op)
def SideBySide(
    dt: FLOAT, drive: FLOAT, B: FLOAT, C: FLOAT, A: FLOAT, batch: INT64, m: INT64
) -> FLOAT:
    """dt, drive (T, G, D, M), B, C (T, G, N, M), A (G, N, D, 1) -> y (T, G, D, M)."""
    decay = op.Exp(A * op.Unsqueeze(op.ReduceSum(dt, [0], keepdims=0), [1]))
    zero = decay * 0.0

    @graph()
    def advance(h, dt_t, drive_t, B_t):  # type: ignore[no-untyped-def]
        forget = op.Exp(A * op.Unsqueeze(dt_t, [1]))
        h_out = forget * h + op.Unsqueeze(drive_t, [1]) * op.Unsqueeze(B_t, [2])
        return h_out  # noqa: RET504 (a graph returns names)

    ends = op.Scan(zero, dt, drive, B, num_scan_inputs=3, body=advance)

    # (G, N, D, M) -> (m, G, N, D, B), and back once each chunk has what the earlier ones leave
    apart = op.Concat(op.Shape(decay, start=0, end=3), batch, m, axis=0)
    decays = op.Transpose(op.Reshape(decay, apart), perm=[4, 0, 1, 2, 3])
    left = op.Transpose(op.Reshape(ends, apart), perm=[4, 0, 1, 2, 3])
    nothing = op.ReduceSum(left, [0], keepdims=0) * 0.0

    @graph()
    def chain(c, decay_k, end_k):  # type: ignore[no-untyped-def]
        received = op.Identity(c)
        c_out = decay_k * c + end_k
        return c_out, received

    _last, starts = op.Scan(nothing, decays, left, num_scan_inputs=2, body=chain)
    start = op.Reshape(op.Transpose(starts, perm=[1, 2, 3, 4, 0]), op.Shape(decay))

    @graph()
    def emit(h, dt_t, drive_t, B_t, C_t):  # type: ignore[no-untyped-def]
        forget = op.Exp(A * op.Unsqueeze(dt_t, [1]))
        h_out = forget * h + op.Unsqueeze(drive_t, [1]) * op.Unsqueeze(B_t, [2])
        y_t = op.ReduceSum(h_out * op.Unsqueeze(C_t, [2]), [1], keepdims=0)
        return h_out, y_t

    _final, y = op.Scan(start, dt, drive, B, C, num_scan_inputs=4, body=emit)
    return y


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def _join(*parts: Any) -> Any:
    return op.Concat(*parts, axis=0)


def _part(x: Any, start: int, end: int, axis: int) -> Any:
    return op.Slice(x, _ints(start), _ints(end), _ints(axis))


def _flip(x: Any) -> Any:
    """The last of four axes backwards."""
    return op.Slice(x, _ints(-1), _ints(BEGIN), _ints(3), _ints(-1))


def _scan_groups(u: Any, delta: Any, A: Any, B: Any, C: Any) -> Any:
    """u, delta (G, D, B, L), A (G, N, D), B and C (G, N, B, L) -> y (G, D, B, L)."""
    length, batch = op.Shape(u, start=3), op.Shape(u, start=2, end=3)
    T = op.Cast(op.Ceil(op.Sqrt(op.Cast(length, to=FLOAT_TYPE))), to=INT64_TYPE)
    m = op.Div(op.Sub(op.Add(length, T), _ints(1)), T)
    missing = _join(_ints(0), op.Sub(op.Mul(m, T), length))

    def fold(x: Any) -> Any:
        """(G, C, B, L) -> (T, G, C, M), zeros behind the end."""
        padded = op.Pad(x, missing, None, _ints(3))
        chunks = op.Reshape(padded, _join(op.Shape(x, start=0, end=3), m, T))
        return op.Reshape(op.Transpose(chunks, perm=[4, 0, 1, 2, 3]), _ints(0, 0, 0, -1))

    steps = [fold(delta), fold(op.Mul(delta, u)), fold(B), fold(C)]
    side_by_side: Any = SideBySide
    y = side_by_side(*steps, op.Unsqueeze(A, _ints(3)), batch, m)  # (T, G, D, M)
    apart = op.Reshape(y, _join(T, op.Shape(u, start=0, end=2), batch, m))
    whole = op.Transpose(apart, perm=[1, 2, 3, 4, 0])  # (G, D, B, m, T)
    whole = op.Reshape(whole, _join(op.Shape(u, start=0, end=3), _ints(-1)))
    return op.Slice(whole, _ints(0), length, _ints(3))


def ss2d(x: Any, w_x: Any, w_dt: Any, bias: Any, A: Any, D: Any) -> Any:
    """`segkit::ss2d`: x (B, H, W, D), w_x (4, R + 2N, D), w_dt (4, D, R), A (4 D, N), D (4 D)."""
    rank, states = w_dt.shape[2], A.shape[1]
    rows = op.Reshape(op.Transpose(x, perm=[3, 0, 1, 2]), _ints(0, 0, -1))  # (D, B, L)
    columns = op.Reshape(op.Transpose(x, perm=[3, 0, 2, 1]), _ints(0, 0, -1))
    ahead = _join(op.Unsqueeze(rows, _ints(0)), op.Unsqueeze(columns, _ints(0)))
    u = _join(ahead, _flip(ahead))  # (4, D, B, L)
    flat, ends = op.Reshape(u, _ints(0, 0, -1)), (0, rank, rank + states, rank + 2 * states)
    low, B, C = (op.MatMul(_part(w_x, a, b, 1), flat) for a, b in pairwise(ends))
    raw = op.Add(op.MatMul(w_dt, low), op.Unsqueeze(bias, _ints(2)))
    delta = op.Reshape(op.Softplus(raw), op.Shape(u))
    like = _join(_ints(0, 0), op.Shape(u, start=2))
    A = op.Transpose(op.Reshape(A, _ints(4, -1, states)), perm=[0, 2, 1])
    y = _scan_groups(u, delta, A, op.Reshape(B, like), op.Reshape(C, like))
    y = op.Add(y, op.Mul(op.Reshape(D, _ints(4, -1, 1, 1)), u))
    return _merge(y, x), op.Identity(bias)  # the kept states are of no use here


def _merge(y: Any, x: Any) -> Any:
    """y (4, D, B, L) of the four directions -> the map (B, H, W, D)."""
    both = op.Add(_part(y, 0, 2, 0), _flip(_part(y, 2, 4, 0)))
    by_row, by_column = _part(both, 0, 1, 0), _part(both, 1, 2, 0)
    lead = op.Shape(y, start=1, end=3)
    height, width = op.Shape(x, start=1, end=2), op.Shape(x, start=2, end=3)
    by_row = op.Transpose(op.Reshape(by_row, _join(lead, height, width)), perm=[1, 2, 3, 0])
    by_column = op.Transpose(op.Reshape(by_column, _join(lead, width, height)), perm=[1, 3, 2, 0])
    return op.Add(by_row, by_column)


def selective_scan(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any,
    bias: Any,
    softplus: bool,
    reverse: bool,
) -> Any:
    """`segkit::selective_scan`: u and delta (B, D, L), A (D, N), B and C (B, G, N, L)."""
    groups, states = B.shape[1], A.shape[1]
    if bias is not None:
        delta = op.Add(delta, op.Unsqueeze(bias, _ints(1)))
    if softplus:
        delta = op.Softplus(delta)
    split = _join(_ints(0, groups, -1), op.Shape(u, start=2))
    grouped = [op.Transpose(op.Reshape(item, split), perm=[1, 2, 0, 3]) for item in (u, delta)]
    grouped += [op.Transpose(item, perm=[1, 2, 0, 3]) for item in (B, C)]
    steps, sizes, drive_in, read_out = [_flip(item) for item in grouped] if reverse else grouped
    A = op.Transpose(op.Reshape(A, _ints(groups, -1, states)), perm=[0, 2, 1])
    y = _scan_groups(steps, sizes, A, drive_in, read_out)
    y = op.Transpose(_flip(y) if reverse else y, perm=[2, 0, 1, 3])
    y = op.Reshape(y, op.Shape(u))
    if D is not None:
        y = op.Add(y, op.Mul(op.Unsqueeze(D, _ints(1)), u))
    return y, op.Identity(A)


TRANSLATIONS: dict[Any, Any] = {
    torch.ops.segkit.ss2d.default: ss2d,
    torch.ops.segkit.selective_scan.default: selective_scan,
}
