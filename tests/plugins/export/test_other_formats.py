"""OpenVINO, int8 and ExecuTorch, where their packages are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from segkit.engine.exporting.export import ExportOptions, export
from segkit.engine.exporting.parity import drawing
from segkit.errors import SegkitError

pytestmark = pytest.mark.slow


def test_openvino(subject, tmp_path):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    report = export(subject, "openvino", tmp_path)
    assert {item.suffix for item in tmp_path.iterdir()} == {".xml", ".bin", ".json"}
    assert max(case["max_difference"] for case in report["cases"]) < 1e-4


def test_int8_is_calibrated_and_measured(subject, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    images = drawing(np.random.default_rng(9), 8, 64, 64, 3)
    masks = (images.mean(-1) < 128).astype(np.uint8)
    real = replace(subject, images=images, masks=masks)
    report = export(real, "onnx", tmp_path, ExportOptions(precision="int8"))
    assert report["file"].endswith("unet-int8.onnx")
    assert report["dice_with_truth"]["file"] > 0.9
    assert max(case["max_difference"] for case in report["cases"]) > 1e-3  # it is not float32


def test_executorch(subject, tmp_path):
    pytest.importorskip("executorch")
    report = export(subject, "executorch", tmp_path)
    assert [case["shape"][0] for case in report["cases"]] == [1, 2, 3]


def test_executorch_refuses_scans(subject, scanner: type[nn.Module], tmp_path):
    pytest.importorskip("executorch")
    with pytest.raises(SegkitError, match="operator segkit::"):
        export(replace(subject, network=scanner().eval()), "executorch", tmp_path)
    assert list(tmp_path.iterdir()) == []
