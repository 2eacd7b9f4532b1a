"""The ONNX files: any size, told what they are, run without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segkit.engine.exporting.export import ExportOptions, export
from segkit.engine.exporting.parity import drawing
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.errors import SegkitError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(subject, tmp_path_factory):
    """(the file, its report)"""
    folder = tmp_path_factory.mktemp("onnx")
    report = export(subject, "onnx", folder)
    return folder / "unet.onnx", report


@pytest.fixture(scope="module")
def images():
    return drawing(np.random.default_rng(5), 3, 64, 64, 3)


def test_the_report(exported):
    _, report = exported
    assert report["opset"] == 20
    assert report["dynamic"] == ["batch", "height", "width"]
    assert 0 < report["nodes"] < 100
    assert report["graph_bytes"] < 60_000 < report["bytes"] + 60_000
    assert max(case["max_difference"] for case in report["cases"]) < 1e-4
    assert max(case["flipped"] for case in report["cases"]) == 0


def test_the_metadata_hold_the_card(exported, subject):
    model = onnx.load(exported[0])
    entries = {item.key: item.value for item in model.metadata_props}
    assert json.loads(entries["segkit"]) == subject.card
    assert entries["threshold"] == "0.5"
    assert entries["classes"] == "background, foreground"
    assert "Not a medical device" in entries["notice"]
    onnx.checker.check_model(model, full_check=True)


def test_the_segmenter_answers_as_the_network(exported, subject, images):
    segmenter = OnnxSegmenter(exported[0])
    assert (segmenter.size, segmenter.resize) == ((64, 64), "stretch")
    with torch.inference_mode():
        wanted = subject.network(torch.from_numpy(subject.inputs(images))).sigmoid().numpy()
    np.testing.assert_allclose(segmenter.probabilities(images), wanted, atol=1e-5)
    masks = segmenter.masks(images)
    assert masks.dtype == np.uint8
    assert 0.02 < masks.mean() < 0.5
    np.testing.assert_array_equal(masks, wanted[:, 0] > 0.5)


def test_test_time_augmentation_is_an_average(exported, images):
    plain, flips = (OnnxSegmenter(exported[0], tta=mode) for mode in ("none", "flips"))
    turned = plain.probabilities(images[:, :, ::-1])[..., ::-1]
    average = flips.probabilities(images)
    assert average.shape == turned.shape
    assert np.abs(average - plain.probabilities(images)).max() > 0


def test_no_torch_in_the_process(exported):
    script = (
        "import sys, numpy as np\n"
        "from segkit.engine.predicting.onnx_runtime import OnnxSegmenter\n"
        f"segmenter = OnnxSegmenter({str(exported[0])!r})\n"
        "print(segmenter.masks(np.zeros((1, 64, 64, 3), np.uint8)).shape)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["(1, 64, 64)", "False"]


@pytest.mark.slow
def test_preprocessing_in_the_graph(exported, subject, images, tmp_path):
    export(subject, "onnx", tmp_path, ExportOptions(preprocess=True))
    inside, outside = OnnxSegmenter(tmp_path / "unet.onnx"), OnnxSegmenter(exported[0])
    assert inside.session.get_inputs()[0].type == "tensor(uint8)"
    for tta in ("none", "d4"):
        inside.tta = outside.tta = tta
        wanted = outside.probabilities(images)
        np.testing.assert_allclose(inside.probabilities(images), wanted, atol=1e-5)


@pytest.mark.slow
def test_half_precision_is_half_the_size(exported, subject, tmp_path):
    report = export(subject, "onnx", tmp_path, ExportOptions(precision="fp16"))
    assert report["file"].endswith("unet-fp16.onnx")
    assert report["card"]["precision"] == "fp16"
    assert next(subject.network.parameters()).dtype == torch.float32
    weights = exported[1]["bytes"] - exported[1]["graph_bytes"]
    assert report["bytes"] - report["graph_bytes"] < 0.7 * weights


def test_a_foreign_file_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value], [result])
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "f.onnx"
    )
    with pytest.raises(SegkitError, match="says nothing of its preprocessing"):
        OnnxSegmenter(tmp_path / "f.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(SegkitError, match="cannot be run"):
        OnnxSegmenter(tmp_path / "broken.onnx")


@torch.library.custom_op("segkit_export_tests::mystery", mutates_args=())
def mystery(x: Tensor) -> Tensor:
    return x * 2


@mystery.register_fake
def _(x):
    return torch.empty_like(x)


@pytest.mark.parametrize("to", ["onnx", "web"])
def test_an_unknown_operator_is_named_and_nothing_is_left(subject, to, tmp_path):
    class Net(nn.Module):
        def forward(self, image):
            return mystery(image.mean(1, keepdim=True))

    with pytest.raises(SegkitError, match="operator segkit_export_tests::mystery cannot"):
        export(replace(subject, network=Net()), to, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reverse", "full"), [(True, True), pytest.param(False, False, marks=pytest.mark.slow)]
)
def test_scans_are_a_few_nodes_at_any_length(subject, scanner, reverse, full, tmp_path):
    card = subject.card | {"size": [48, 48]}
    scanning = replace(subject, network=scanner(reverse, full).eval(), card=card)
    report = export(scanning, "onnx", tmp_path)
    assert report["scans"] == 6
    assert report["nodes"] < 270  # of which 104 are the 2-D scan
    assert max(case["max_difference"] for case in report["cases"]) < 1e-4
