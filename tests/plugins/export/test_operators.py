"""segkit's operators in ONNX Runtime: the file's own definition and the C kernel, one answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit import native, ops
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import BOUNDS, check
from segkit.engine.predicting.onnx_runtime import session_options

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

NAMES = {
    "SS2D": ["x", "w_x", "w_dt", "bias", "A", "D"],
    "SelectiveScan": ["u", "delta", "A", "B", "C", "D", "bias"],
    "SelectiveScanReverse": ["u", "delta", "A", "B", "C", "D", "bias"],
    "ScanSteps": ["u", "delta", "A", "B", "C", "D"],
    "ScanStepsReverse": ["u", "delta", "A", "B", "C", "D"],
}
needs_library = pytest.mark.skipif(not native.onnx_operators(), reason="no C kernels here")


def model_of(name: str, shaped: bool = True) -> bytes:
    """A file with one call in it, as the exporter writes calls; ranks are said, sizes are not."""
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


def session_of(name: str, operators: bool, threads: int = 1, written: str = ""):
    options = session_options(threads, operators)
    options.optimized_model_filepath = written
    return onnxruntime.InferenceSession(model_of(name), options, providers=["CPUExecutionProvider"])


def problem(name: str, batch: int, channels: int, length: int, groups: int, states: int):
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


def run(session, name, given):
    feed = {key: item.numpy() for key, item in zip(NAMES[name], given, strict=True)}
    return session.run(None, feed)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("operators", [False, pytest.param(True, marks=needs_library)])
def test_an_operator_is_the_reference_scan(name, operators):
    session = session_of(name, operators)
    for sizes in [(1, 4, 5, 1, 3), (2, 6, 65, 2, 16), (1, 40, 130, 1, 5)]:
        given, wanted = problem(name, *sizes)
        np.testing.assert_allclose(run(session, name, given), wanted, atol=2e-5, rtol=2e-5)


@needs_library
def test_threads_do_not_change_the_answer():
    given, _ = problem("SS2D", 2, 48, 400, 1, 16)
    one, four = (run(session_of("SS2D", True, threads), "SS2D", given) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize("name", NAMES)
@needs_library
def test_the_library_stands_in_and_the_file_runs_without_it(name, tmp_path, monkeypatch):
    def operators_in(file) -> set[str]:
        return {node.op_type for node in onnx.load(file).graph.node}

    session_of(name, True, written=str(tmp_path / "with.onnx"))
    assert operators_in(tmp_path / "with.onnx") == {name}
    monkeypatch.setattr(native, "onnx_operators", lambda: "")  # segkit installed without a compiler
    session_of(name, True, written=str(tmp_path / "without.onnx"))
    assert "Scan" in operators_in(tmp_path / "without.onnx")
    assert name not in operators_in(tmp_path / "without.onnx")


@needs_library
def test_sizes_that_do_not_fit_are_an_error_and_no_crash():
    given, _ = problem("SS2D", 1, 4, 10, 1, 3)
    given[1] = given[1][:, :-1]
    with pytest.raises(Exception, match="sizes of SS2D's inputs do not fit together"):
        run(session_of("SS2D", True), "SS2D", given)
    given, _ = problem("SelectiveScan", 1, 4, 10, 1, 3)
    given[3] = given[3][0]
    loose = onnxruntime.InferenceSession(
        model_of("SelectiveScan", shaped=False),
        session_options(1),
        providers=["CPUExecutionProvider"],
    )
    with pytest.raises(Exception, match="wrong number of dimensions"):
        run(loose, "SelectiveScan", given)
    given, _ = problem("SelectiveScan", 1, 4, 10, 1, 3)
    given[6] = given[6][:2]
    with pytest.raises(Exception, match="sizes of SelectiveScan's inputs do not fit"):
        run(session_of("SelectiveScan", True), "SelectiveScan", given)


@needs_library
def test_nothing_in_gives_nothing_out():
    given, _ = problem("SelectiveScan", 1, 4, 10, 1, 3)
    given = [given[0][:0], given[1][:0], given[2], given[3][:0], given[4][:0], *given[5:]]
    assert run(session_of("SelectiveScan", True), "SelectiveScan", given).shape == (0, 4, 10)


@needs_library
def test_the_gate_holds_with_the_library_too(subject, scanner, tmp_path):
    from dataclasses import replace

    from segkit_export.onnx_format import session_runner

    card = subject.card | {"size": [48, 48]}
    scanning = replace(subject, network=scanner().eval(), card=card)
    export(scanning, "onnx", tmp_path)
    cases = check(
        scanning, session_runner(tmp_path / "unet.onnx", operators=True), BOUNDS["float32"]
    )
    assert max(case.max_difference for case in cases) < 1e-4
