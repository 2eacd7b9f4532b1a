"""ONNX files as disks, strangers and mail programs leave them: one line each, nothing is run."""

import json

import numpy as np
import pytest

from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.errors import SegkitError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CARD = {
    "size": [8, 8],
    "resize": "stretch",
    "threshold": 0.5,
    "classes": ["background", "lesion"],
    "architecture": "tiny",
    "preprocessing": "inside",
}


def model(card="good", inputs=("image",)):
    """The sum of its inputs and of one stored number."""
    kind = onnx.TensorProto.FLOAT
    shape = ["B", 3, "H", "W"]
    given = [onnx.helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    stored = onnx.numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "stored")
    nodes = [onnx.helper.make_node("Sum", [*inputs, "stored"], ["logits"])]
    answer = onnx.helper.make_tensor_value_info("logits", kind, shape)
    graph = onnx.helper.make_graph(nodes, "tiny", given, [answer], [stored])
    opset = [onnx.helper.make_opsetid("", 17)]
    made = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    if card is not None:
        text = json.dumps(CARD) if card == "good" else card
        onnx.helper.set_model_props(made, {"segkit": text})
    return made


def changed(**over):
    return json.dumps(CARD | over)


def outside(made, location):
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return made


def custom(made):
    made.graph.node[0].domain, made.graph.node[0].op_type = "evil", "Run"
    return made


DAMAGED = {
    "no card": (lambda: model(None), "says nothing of its preprocessing"),
    "a card that is no JSON": (lambda: model("{"), "its metadata are no JSON"),
    "a list": (lambda: model("[1]"), "in its metadata it is no table"),
    "no size": (lambda: model(changed(size=[8])), r"size is \[8\]"),
    "a size of a terabyte": (lambda: model(changed(size=[10**6, 10**6])), "size is"),
    "a threshold in words": (lambda: model(changed(threshold="half")), "threshold is 'half'"),
    "two inputs": (lambda: model(inputs=("image", "more")), "has not one input"),
    "weights in another folder": (lambda: outside(model(), "../../etc/passwd"), "cannot"),
    "weights in a file of the system": (lambda: outside(model(), "/etc/passwd"), "cannot"),
    "an operator of somebody's": (lambda: custom(model()), "cannot"),
}


def test_the_whole_file_is_read(tmp_path):
    onnx.save(model(), tmp_path / "a.onnx")
    assert OnnxSegmenter(tmp_path / "a.onnx").size == (8, 8)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_one_line(damage, tmp_path):
    make, said = DAMAGED[damage]
    (tmp_path / "a.onnx").write_bytes(make().SerializeToString())
    with pytest.raises(SegkitError, match=said) as caught:
        OnnxSegmenter(tmp_path / "a.onnx")
    assert str(tmp_path / "a.onnx") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"stretch", "its metadata are no text"), (b"image", "has not one input with a name")],
)
def test_bytes_that_are_no_text_are_one_line(text, said, tmp_path):
    whole = model().SerializeToString()
    (tmp_path / "a.onnx").write_bytes(whole.replace(text, b"\xa0" * len(text)))
    with pytest.raises(SegkitError, match=said):
        OnnxSegmenter(tmp_path / "a.onnx")
