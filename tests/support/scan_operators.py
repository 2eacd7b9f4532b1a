"""The scan operators of an ONNX file: inputs of any size, the reference's answer, a session."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from segkit import ops
from segkit.engine.predicting.onnx_runtime import session_options

NAMES = {
    "SS2D": ["x", "w_x", "w_dt", "bias", "A", "D"],
    "SelectiveScan": ["u", "delta", "A", "B", "C", "D", "bias"],
    "SelectiveScanReverse": ["u", "delta", "A", "B", "C", "D", "bias"],
    "ScanSteps": ["u", "delta", "A", "B", "C", "D"],
    "ScanStepsReverse": ["u", "delta", "A", "B", "C", "D"],
}


def model_of(name: str, shaped: bool = True) -> bytes:
    """A file with one call in it, as the exporter writes calls; ranks are said, sizes are not."""
    import onnx

    from segkit_export.onnx_functions import attach

    value, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    node = onnx.helper.make_node(name, NAMES[name], ["y"], domain="segkit")
    given, wanted = problem(name, 1, 4, 5, 1, 3)
    free = [
        [f"{item}{axis}" for axis in range(given[i].ndim)] for i, item in enumerate(NAMES[name])
    ]
    inputs = [
        value(item, kind, sizes if shaped else None)
        for item, sizes in zip(NAMES[name], free, strict=True)
    ]
    result = value("y", kind, [f"y{axis}" for axis in range(wanted.ndim)])
    graph = onnx.helper.make_graph([node], "one", inputs, [result])
    sets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("segkit", 1)]
    model = onnx.helper.make_model(graph, opset_imports=sets, ir_version=10)
    return attach(model).SerializeToString()


def session_of(name: str, operators: bool, threads: int = 1, written: str = "") -> Any:
    import onnxruntime

    options = session_options(threads, operators)
    options.optimized_model_filepath = written
    return onnxruntime.InferenceSession(model_of(name), options, providers=["CPUExecutionProvider"])


def problem(
    name: str, batch: int, channels: int, length: int, groups: int, states: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Inputs by name, and what the reference makes of them."""
    rng = np.random.default_rng(length)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32) / 2)

    if name == "SS2D":
        rank, side = 2, length // 5
        given = [draw(batch, 5, side, channels), draw(4, rank + 2 * states, channels)]
        given += [draw(4, channels, rank), draw(4, channels)]
        given += [-draw(4 * channels, states).abs(), draw(4 * channels)]
        with ops.using_backend("reference"):
            return given, ops.ss2d(*given)
    line = [draw(batch, channels, length), draw(batch, channels, length)]
    given = [*line, -draw(channels, states).abs() * 3]
    given += [draw(batch, groups, states, length), draw(batch, groups, states, length)]
    given += [draw(channels)]
    soft = "Steps" not in name
    if not soft:
        given[1] = given[1].abs()
    else:
        given.append(draw(channels))
    u, delta, A, B, C, D = given[:6]
    with ops.using_backend("reference"):
        wanted = ops.selective_scan(
            u, delta, A, B, C, D, delta_bias=given[6] if soft else None, delta_softplus=soft,
            reverse=name.endswith("Reverse"),
        )  # fmt: skip
    return given, wanted


def run(session: Any, name: str, given: list[torch.Tensor]) -> np.ndarray:
    feed = {key: item.numpy() for key, item in zip(NAMES[name], given, strict=True)}
    return session.run(None, feed)[0]
