"""Fewer bytes, the same arithmetic to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segkit.api import ExportOptions
from segkit.engine.exporting.parity import drawing
from segkit.engine.exporting.subject import of_architecture

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from segkit_export.onnx_compact import compact  # noqa: E402
from segkit_export.onnx_format import OnnxFormat, convert  # noqa: E402


def answer(model, *inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [item.name for item in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def test_a_network_answers_the_same_in_fewer_bytes(subject):
    model = convert(subject)
    before, image = model.ByteSize(), np.random.default_rng(0).random((2, 3, 48, 40), np.float32)
    expected = answer(model, image)
    compact(model)
    onnx.checker.check_model(model, full_check=True)
    assert model.ByteSize() < before
    assert [item.name for item in model.graph.input] == ["image"]
    assert [item.name for item in model.graph.output] == ["logits"]
    assert not model.graph.value_info
    np.testing.assert_array_equal(answer(model, image), expected)


def branching():
    """Both branches use constants of the graph around them, two of which are equal."""
    two, also_two, three = (
        numpy_helper.from_array(np.array([value], np.float32), name)
        for name, value in (("two", 2), ("also two", 2), ("v0", 3))
    )
    bodies = []
    for name, constants in (("yes", ("two", "v0")), ("no", ("also two", "also two"))):
        nodes = [
            helper.make_node("Mul", ["x", constants[0]], [f"{name} product"], "a long name"),
            helper.make_node("Add", [f"{name} product", constants[1]], [f"{name} sum"]),
        ]
        out = helper.make_tensor_value_info(f"{name} sum", TensorProto.FLOAT, [None])
        bodies.append(helper.make_graph(nodes, name, [], [out]))
    branch = helper.make_node("If", ["ask"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    inputs = [
        helper.make_tensor_value_info("ask", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])]
    graph = helper.make_graph([branch], "g", inputs, outputs, [two, also_two, three])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize(("ask", "expected"), [(True, 2 * 5 + 3), (False, 2 * 5 + 2)])
def test_bodies_keep_what_they_take_from_outside(ask, expected):
    model = compact(branching())
    onnx.checker.check_model(model, full_check=True)
    assert len(model.graph.initializer) == 2
    assert answer(model, np.array(ask), np.array([5], np.float32)) == [expected]


def test_a_constant_that_is_an_output_keeps_its_name():
    model = branching()
    model.graph.output.append(helper.make_tensor_value_info("also two", TensorProto.FLOAT, [1]))
    compact(model)
    onnx.checker.check_model(model)
    assert "also two" in [item.name for item in model.graph.initializer]


@pytest.mark.slow
def test_a_tiny_network_in_int8_is_a_tiny_file(tmp_path):
    """57,985 parameters below 100 kB, the card included."""
    small = of_architecture("unext_s", (64, 64), {"widths": [8, 16, 24, 32, 40]})
    images = drawing(np.random.default_rng(0), 2, 64, 64, 3)
    options = ExportOptions(precision="int8")
    OnnxFormat().write(replace(small, images=images), tmp_path / "tiny.onnx", options)
    assert (tmp_path / "tiny.onnx").stat().st_size < 100_000
