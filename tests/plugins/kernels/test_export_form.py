"""The export form becomes one ONNX Scan per pass that runs at any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit import ops
from segkit.nn import SS2D

onnxruntime = pytest.importorskip("onnxruntime", reason="segkit[export] is not installed")
pytest.importorskip("onnxscript", reason="segkit[export] is not installed")


@pytest.mark.slow
def test_onnx_has_two_scans_and_any_size(tmp_path):
    torch.manual_seed(0)
    module, image = SS2D(8).eval(), torch.randn(1, 12, 10, 8)
    sizes = {1: torch.export.Dim("height", min=2), 2: torch.export.Dim("width", min=2)}
    with ops.using_backend("export"), torch.no_grad():
        program = torch.onnx.export(module, (image,), dynamo=True, dynamic_shapes={"x": sizes})
    program.save(tmp_path / "ss2d.onnx")
    kinds = [node.op_type for node in program.model.graph]
    assert kinds.count("Scan") == 2  # forwards and backwards, rows and columns together
    assert len(kinds) < 200  # nothing is unrolled
    session = onnxruntime.InferenceSession(str(tmp_path / "ss2d.onnx"))
    name = session.get_inputs()[0].name
    for height, width in ((12, 10), (20, 9), (40, 33)):
        image = torch.randn(1, height, width, 8)
        with torch.no_grad():
            expected = module(image).numpy()
        got = session.run(None, {name: image.numpy()})[0]
        assert np.abs(got - expected).max() < 1e-5
