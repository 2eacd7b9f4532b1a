"""What the tracer makes of `segkit::selective_scan` and `segkit::ss2d`: operators of our own.

What they mean is in `onnx_functions`, which travels inside the file.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import onnx
import torch
from onnxscript import evaluator, opset20

from segkit.ops import scan as _scan  # noqa: F401  (defines segkit::selective_scan)
from segkit.ops import ss2d as _ss2d  # noqa: F401  (defines segkit::ss2d)
from segkit_export import onnx_functions

op: Any = opset20


def ss2d(x: Any, w_x: Any, w_dt: Any, bias: Any, A: Any, D: Any) -> Any:
    """`segkit::ss2d`: x (B, H, W, D), w_x (4, R + 2N, D), w_dt (4, D, R), A (4 D, N), D (4 D)."""
    y = _call("SS2D", x, w_x, w_dt, bias, A, D)
    return y, op.Identity(bias)  # the kept states are of no use here


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
    """`segkit::selective_scan`: u and delta (B, D, L), A (D, N), B and C (B, G, N, L).

    Step sizes with softplus and those that come ready are two operators.
    """
    zeros = op.Constant(value_floats=[0.0] * A.shape[0])
    D = zeros if D is None else D
    way = "Reverse" if reverse else ""
    if softplus:
        bias = zeros if bias is None else bias
        return _call(f"SelectiveScan{way}", u, delta, A, B, C, D, bias), op.Identity(A)
    if bias is not None:
        delta = op.Add(delta, op.Unsqueeze(bias, op.Constant(value_ints=[1])))
    return _call(f"ScanSteps{way}", u, delta, A, B, C, D), op.Identity(A)


def _call(name: str, *inputs: Any) -> Any:
    """A node of ours; the tracer asks for its signature only."""
    tracer: Any = evaluator.default()
    return tracer.eval(_schema(name), list(inputs), {})


@cache
def _schema(name: str) -> onnx.defs.OpSchema:
    return onnx_functions.schema(name)


TRANSLATIONS: dict[Any, Any] = {
    torch.ops.segkit.ss2d.default: ss2d,
    torch.ops.segkit.selective_scan.default: selective_scan,
}
