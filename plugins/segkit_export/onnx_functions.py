"""What `segkit::SS2D` and `segkit::SelectiveScan` mean, as functions inside the ONNX file.

A runtime follows these functions. Where segkit's operator library is registered with a session,
its C kernels stand in for the outermost ones, and the functions are not looked at: one file, two
speeds.

A runtime pays some microseconds for each step and node of a Scan, so a sequence of L steps is cut
into about √L chunks that advance side by side: one Scan gives the state at the end of each chunk,
a second chains them, a third starts from the right states and emits y. Sizes are read at run time.

Letters: G groups, D channels of a group, N states, B batch, L length, T steps of a chunk, m chunks,
M = B·m, R rank of the step sizes.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnxscript import FLOAT, INT64, graph, opset20, script
from onnxscript.values import Opset

from segkit_export.onnx_compact import graphs

op: Any = opset20  # its own annotations know no Python numbers
DOMAIN = Opset("segkit", 1)


@script(DOMAIN, default_opset=op)
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


@script(DOMAIN, default_opset=op)
def Flip(x: FLOAT) -> FLOAT:
    """The last of four axes backwards."""
    return op.Slice(x, [-1], [-9223372036854775807], [3], [-1])


@script(DOMAIN, default_opset=op)
def Fold(x: FLOAT, missing: INT64, m: INT64, T: INT64) -> FLOAT:
    """(G, C, B, L) -> (T, G, C, M), zeros behind the end."""
    padded = op.Pad(x, missing, None, [3])
    chunks = op.Reshape(padded, op.Concat(op.Shape(x, start=0, end=3), m, T, axis=0))
    return op.Reshape(op.Transpose(chunks, perm=[4, 0, 1, 2, 3]), [0, 0, 0, -1])


@script(DOMAIN, default_opset=op)
def ScanGroups(u: FLOAT, delta: FLOAT, A: FLOAT, B: FLOAT, C: FLOAT) -> FLOAT:
    """u, delta (G, D, B, L), A (G, N, D), B and C (G, N, B, L) -> y (G, D, B, L)."""
    length = op.Shape(u, start=3)
    batch = op.Shape(u, start=2, end=3)
    T = op.Cast(op.Ceil(op.Sqrt(op.Cast(length, to=1))), to=7)
    m = op.Div(op.Sub(op.Add(length, T), [1]), T)
    missing = op.Concat([0], op.Sub(op.Mul(m, T), length), axis=0)
    y = SideBySide(
        Fold(delta, missing, m, T),
        Fold(op.Mul(delta, u), missing, m, T),
        Fold(B, missing, m, T),
        Fold(C, missing, m, T),
        op.Unsqueeze(A, [3]),
        batch,
        m,
    )  # (T, G, D, M)
    apart = op.Reshape(y, op.Concat(T, op.Shape(u, start=0, end=2), batch, m, axis=0))
    whole = op.Transpose(apart, perm=[1, 2, 3, 4, 0])  # (G, D, B, m, T)
    flat = op.Reshape(whole, op.Concat(op.Shape(u, start=0, end=3), [-1], axis=0))
    return op.Slice(flat, [0], length, [3])


@script(DOMAIN, default_opset=op)
def SS2D(x: FLOAT, w_x: FLOAT, w_dt: FLOAT, bias: FLOAT, A: FLOAT, D: FLOAT) -> FLOAT:
    """x (B, H, W, D), w_x (4, R + 2N, D), w_dt (4, D, R), bias (4, D), A (4D, N), D (4D)."""
    rank = op.Shape(w_dt, start=2)
    states = op.Shape(A, start=1)
    rows = op.Reshape(op.Transpose(x, perm=[3, 0, 1, 2]), [0, 0, -1])  # (D, B, L)
    columns = op.Reshape(op.Transpose(x, perm=[3, 0, 2, 1]), [0, 0, -1])
    ahead = op.Concat(op.Unsqueeze(rows, [0]), op.Unsqueeze(columns, [0]), axis=0)
    u = op.Concat(ahead, Flip(ahead), axis=0)  # (4, D, B, L)
    flat = op.Reshape(u, [0, 0, -1])
    w_low, w_B, w_C = op.Split(w_x, op.Concat(rank, states, states, axis=0), axis=1)
    raw = op.Add(op.MatMul(w_dt, op.MatMul(w_low, flat)), op.Unsqueeze(bias, [2]))
    delta = op.Reshape(op.Softplus(raw), op.Shape(u))
    like = op.Concat([0, 0], op.Shape(u, start=2), axis=0)
    B = op.Reshape(op.MatMul(w_B, flat), like)
    C = op.Reshape(op.MatMul(w_C, flat), like)
    decay = op.Reshape(A, op.Concat([4, -1], states, axis=0))
    scanned = ScanGroups(u, delta, op.Transpose(decay, perm=[0, 2, 1]), B, C)
    y = op.Add(scanned, op.Mul(op.Reshape(D, [4, -1, 1, 1]), u))
    # the four directions back on the map (B, H, W, D)
    forth, back = op.Split(y, axis=0, num_outputs=2)
    by_row, by_column = op.Split(op.Add(forth, Flip(back)), axis=0, num_outputs=2)
    lead = op.Shape(y, start=1, end=3)
    height = op.Shape(x, start=1, end=2)
    width = op.Shape(x, start=2, end=3)
    upright = op.Reshape(by_row, op.Concat(lead, height, width, axis=0))
    lying = op.Reshape(by_column, op.Concat(lead, width, height, axis=0))
    turned = op.Transpose(lying, perm=[1, 3, 2, 0])
    return op.Add(op.Transpose(upright, perm=[1, 2, 3, 0]), turned)


@script(DOMAIN, default_opset=op)
def Grouped(x: FLOAT, groups: INT64) -> FLOAT:
    """(B, G·D, L) -> (G, D, B, L)."""
    split = op.Concat([0], groups, [-1], op.Shape(x, start=2), axis=0)
    return op.Transpose(op.Reshape(x, split), perm=[1, 2, 0, 3])


@script(DOMAIN, default_opset=op)
def Decays(A: FLOAT, groups: INT64) -> FLOAT:
    """(G·D, N) -> (G, N, D)."""
    split = op.Concat(groups, [-1], op.Shape(A, start=1), axis=0)
    return op.Transpose(op.Reshape(A, split), perm=[0, 2, 1])


@script(DOMAIN, default_opset=op)
def Sizes(delta: FLOAT, bias: FLOAT) -> FLOAT:
    """The step sizes."""
    return op.Softplus(op.Add(delta, op.Unsqueeze(bias, [1])))


@script(DOMAIN, default_opset=op)
def Emitted(y: FLOAT, u: FLOAT, D: FLOAT) -> FLOAT:
    """y (G, D, B, L) back to (B, G·D, L), with the skip."""
    flat = op.Reshape(op.Transpose(y, perm=[2, 0, 1, 3]), op.Shape(u))
    return op.Add(flat, op.Mul(op.Unsqueeze(D, [1]), u))


@script(DOMAIN, default_opset=op)
def ScanSteps(u: FLOAT, delta: FLOAT, A: FLOAT, B: FLOAT, C: FLOAT, D: FLOAT) -> FLOAT:
    """u and step sizes (B, D, L), A (D, N), B and C (B, G, N, L), D (D)."""
    groups = op.Shape(B, start=1, end=2)
    y = ScanGroups(
        Grouped(u, groups),
        Grouped(delta, groups),
        Decays(A, groups),
        op.Transpose(B, perm=[1, 2, 0, 3]),
        op.Transpose(C, perm=[1, 2, 0, 3]),
    )
    return Emitted(y, u, D)


@script(DOMAIN, default_opset=op)
def ScanStepsReverse(u: FLOAT, delta: FLOAT, A: FLOAT, B: FLOAT, C: FLOAT, D: FLOAT) -> FLOAT:
    """The same from the last step to the first."""
    groups = op.Shape(B, start=1, end=2)
    y = ScanGroups(
        Flip(Grouped(u, groups)),
        Flip(Grouped(delta, groups)),
        Decays(A, groups),
        Flip(op.Transpose(B, perm=[1, 2, 0, 3])),
        Flip(op.Transpose(C, perm=[1, 2, 0, 3])),
    )
    return Emitted(Flip(y), u, D)


@script(DOMAIN, default_opset=op)
def SelectiveScan(
    u: FLOAT, delta: FLOAT, A: FLOAT, B: FLOAT, C: FLOAT, D: FLOAT, bias: FLOAT
) -> FLOAT:
    """The scan with the step sizes softplus(delta + bias)."""
    return ScanSteps(u, Sizes(delta, bias), A, B, C, D)


@script(DOMAIN, default_opset=op)
def SelectiveScanReverse(
    u: FLOAT, delta: FLOAT, A: FLOAT, B: FLOAT, C: FLOAT, D: FLOAT, bias: FLOAT
) -> FLOAT:
    """The same from the last step to the first."""
    return ScanStepsReverse(u, Sizes(delta, bias), A, B, C, D)


OPERATORS: tuple[Any, ...] = (  # what the library stands in for; SS2D, SelectiveScan, …
    SS2D, SelectiveScan, SelectiveScanReverse, ScanSteps, ScanStepsReverse,
)  # fmt: skip
FUNCTIONS: tuple[Any, ...] = (
    *OPERATORS, SideBySide, Flip, Fold, ScanGroups, Grouped, Decays, Sizes, Emitted,
)  # fmt: skip


def schema(name: str) -> onnx.defs.OpSchema:
    """The signature of an operator of ours, for an exporter's tracer."""
    proto = next(item for item in FUNCTIONS if item.name == name).to_function_proto()
    parameter = onnx.defs.OpSchema.FormalParameter
    return onnx.defs.OpSchema(
        name,
        "segkit",
        1,
        inputs=[parameter(item, "T") for item in proto.input],
        outputs=[parameter(item, "T") for item in proto.output],
        type_constraints=[("T", ["tensor(float)"], "")],
    )


def attach(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put the functions that the graph calls, and those that they call, into the file."""
    known = {item.name: item.to_function_proto() for item in FUNCTIONS}
    wanted = [node.op_type for part in graphs(model.graph) for node in part.node if node.domain]
    found: dict[str, onnx.FunctionProto] = {}
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found[name] = known[name]
            wanted += [node.op_type for node in known[name].node if node.domain]
    for function in found.values():
        for node in function.node:
            node.doc_string = ""
    model.functions.extend(found[name] for name in sorted(found))
    return model
