"""The network in stages with scans on the GPU: the same answer as in one piece."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scan_operators import NAMES, problem, run, session_of

from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import drawing
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.engine.predicting.predictor import Predictor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")


def two_scans():
    """u -> scan -> a sum with u, a weight between -> scan of what both gave -> y."""
    from segkit_export.onnx_functions import attach

    given, _ = problem("SelectiveScan", 1, 40, 30, 1, 16)
    helper, node = onnx.helper, onnx.helper.make_node
    weights = dict(
        zip(NAMES["SelectiveScan"][1:], [item.numpy() for item in given[1:]], strict=True)
    )
    weights["gain"] = np.linspace(0.5, 1.5, 40, dtype=np.float32)[:, None]
    nodes = [
        node("Mul", ["u", "gain"], ["scaled"]),
        node("SelectiveScan", ["scaled", *NAMES["SelectiveScan"][1:]], ["a"], domain="segkit"),
        node("Add", ["a", "u"], ["b"]),
        node("Abs", ["scaled"], ["sizes"]),
        node("ScanStepsReverse", ["b", "sizes", "A", "B", "C", "D"], ["c"], domain="segkit"),
        node("Add", ["c", "scaled"], ["logits"]),
    ]
    value, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "two", [value("u", kind, ["n", 40, "l"])], [value("logits", kind, ["n", 40, "l"])],
        [onnx.numpy_helper.from_array(item, name) for name, item in weights.items()],
        value_info=[value(name, kind, ["n", 40, "l"]) for name in "abc"],
    )  # fmt: skip
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("segkit", 1)]
    return attach(helper.make_model(graph, opset_imports=sets, ir_version=10)), given[0].numpy()


def test_the_stages_make_the_whole(tmp_path, monkeypatch):
    from segkit_export.web_stages import stages

    model, u = two_scans()
    file = model.SerializeToString()
    (tmp_path / "model.onnx").write_bytes(file)
    found = stages(model, file, "model.onnx")
    assert [len(stage["scans"]) for stage in found] == [1, 1, 0]
    monkeypatch.chdir(tmp_path)  # where the weights lie
    values = {"u": u}
    for stage in found:
        if stage["model"]:
            content = base64.b64decode(stage["model"])
            if len(values) == 1:
                assert b"model.onnx" in content  # the gain is not there twice
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            feed = {name: values[name] for name in stage["inputs"]}
            made = dict(
                zip(
                    [item.name for item in session.get_outputs()],
                    session.run(None, feed),
                    strict=True,
                )
            )
            values |= {name: made[there] for there, name in stage["outputs"].items()}
        for scan in stage["scans"]:
            inputs = [torch.from_numpy(values[name]) for name in scan["inputs"]]
            operator = scan["operator"]
            values[scan["output"]] = run(session_of(operator, False), operator, inputs)
    whole = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(values["logits"], whole.run(None, {"u": u})[0], atol=1e-6)


def test_a_network_without_scans_has_no_stages():
    from segkit_export.web_stages import stages

    model, _ = two_scans()
    for node in model.graph.node:
        if node.domain:
            node.op_type, node.domain = "Identity", ""
            del node.input[1:]
    assert stages(model, model.SerializeToString(), "model.onnx") == []


@pytest.fixture(scope="module")
def folder(subject, scanner, teach, tmp_path_factory):
    """A page of a network with both scans, which has learned to find the drawn blobs."""
    network = scanner()
    scanning = replace(subject, network=network, card=subject.card | {"size": [48, 40]})
    teach(scanning, drawing(np.random.default_rng(1), 8, 48, 40, 3), 60, 0.02)
    out = tmp_path_factory.mktemp("stages")
    export(scanning, "web", out)
    return out / "unet-web"


@pytest.fixture(scope="module")
def browser(folder, open_page, call):
    opened = open_page(folder, *SOFTWARE_GPU, query="?way=webgpu")
    call(opened, "{ await segkit.ready; return 1; }")
    if call(opened, "{ return !(await navigator.gpu?.requestAdapter()); }"):
        pytest.skip("this Chromium offers no WebGPU adapter")
    return opened


@pytest.mark.browser
@pytest.mark.slow
def test_masks_are_the_same_on_the_gpu(browser, segmented, call, folder):
    assert call(browser, "{ return segkit.network.way; }") == "WebGPU and WebAssembly"
    predictor = Predictor(OnnxSegmenter(folder / "model.onnx"))
    for seed in (7, 8):
        picture = drawing(np.random.default_rng(seed), 1, 150, 210, 3)[0]
        mask, milliseconds = segmented(browser, png(picture))
        wanted, _ = predictor(picture)
        assert (mask == wanted).mean() >= 0.999
        assert 0.02 < wanted.mean() < 0.6
        assert milliseconds > 0


def png(picture: np.ndarray) -> bytes:
    import io

    from PIL import Image

    handle = io.BytesIO()
    Image.fromarray(picture).save(handle, "PNG")
    return handle.getvalue()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(1, 4, 5, 1, 3), (2, 6, 65, 2, 16), (1, 40, 130, 1, 8)])
def test_each_operator_on_the_gpu_is_the_reference(browser, call, name, sizes):
    given, wanted = problem(name, *sizes)
    sent = json.dumps([[item.flatten().tolist(), list(item.shape)] for item in given])
    data, dims = call(
        browser,
        f"{{ const tensor = ([data, dims]) => ({{ data: Float32Array.from(data), dims }});"
        f"const given = {sent}.map(tensor);"
        f"const {{ data, dims }} = await segkit.scan('{name}', given);"
        "return [Array.from(data), Array.from(dims)]; }",
    )
    assert dims == list(wanted.shape)
    np.testing.assert_allclose(np.array(data).reshape(dims), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.browser
@pytest.mark.slow
def test_without_webgpu_the_page_goes_on_in_webassembly(open_page, call, segmented, folder):
    plain = open_page(folder, query="?way=wasm")
    call(plain, "{ await segkit.ready; return 1; }")
    assert call(plain, "{ return segkit.network.way; }") == "WebAssembly"
    picture = drawing(np.random.default_rng(7), 1, 150, 210, 3)[0]
    wanted, _ = Predictor(OnnxSegmenter(folder / "model.onnx"))(picture)
    assert (segmented(plain, png(picture))[0] == wanted).mean() >= 0.999
    none = open_page(folder, "--disable-features=WebGPU,WebGPUService", query="?way=webgpu")
    call(none, "{ await segkit.ready; return 1; }")
    if call(none, "{ return Boolean(await navigator.gpu?.requestAdapter()); }"):
        pytest.skip("WebGPU cannot be switched off here")
    assert call(none, "{ return [segkit.network.way, segkit.network.why]; }") == [
        "WebAssembly",
        "WebAssembly alone: this browser offers no WebGPU",
    ]


@pytest.mark.browser
@pytest.mark.slow
def test_a_gpu_that_answers_otherwise_is_not_used(browser, open_page, call, folder, tmp_path):
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    text = (wrong / "stages.json").read_text()
    broken = text.replace(
        "state[ends_at(cell, n)] = received;", ""
    )  # chunks begin at the wrong state
    assert broken != text
    (wrong / "stages.json").write_text(broken)
    opened = open_page(wrong, *SOFTWARE_GPU, query="?way=webgpu")
    way, why = call(
        opened, "{ await segkit.ready; return [segkit.network.way, segkit.network.why]; }"
    )
    assert way == "WebAssembly"
    assert "the GPU's answer differs by" in why


@pytest.mark.browser
@pytest.mark.slow
def test_a_gpu_that_is_lost_on_the_way_is_done_without(browser, call, segmented, folder):
    call(browser, "{ segkit.gpu.device.destroy(); return 1; }")
    picture = drawing(np.random.default_rng(7), 1, 150, 210, 3)[0]
    wanted, _ = Predictor(OnnxSegmenter(folder / "model.onnx"))(picture)
    assert (segmented(browser, png(picture))[0] == wanted).mean() >= 0.999
    assert call(browser, "{ return segkit.network.way; }") == "WebAssembly"
