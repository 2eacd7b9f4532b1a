"""segkit's operators in ONNX Runtime: the file's own definition and the C kernel, one answer."""

from __future__ import annotations

import numpy as np
import pytest
from scan_operators import NAMES, model_of, problem, run, session_of

from segkit import native
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import BOUNDS, check
from segkit.engine.predicting.onnx_runtime import session_options

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

needs_library = pytest.mark.skipif(not native.onnx_operators(), reason="no C kernels here")


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
@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_a_file_leaves_out_is_an_error_and_no_crash(name):
    model = onnx.load_from_string(model_of(name))
    model.graph.node[0].input[1] = ""
    content, options = model.SerializeToString(), session_options(1)
    with pytest.raises(Exception, match="invalid model"):
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@needs_library
def test_nothing_in_gives_nothing_out():
    given, _ = problem("SelectiveScan", 1, 4, 10, 1, 3)
    given = [given[0][:0], given[1][:0], given[2], given[3][:0], given[4][:0], *given[5:]]
    assert run(session_of("SelectiveScan", True), "SelectiveScan", given).shape == (0, 4, 10)


@needs_library
@pytest.mark.slow
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
