"""A paper's network passes the gate at three sizes, and its graph stays small.

VMPANet only, for the time it takes; docs/commands/export.md has the command for the others.
"""

from __future__ import annotations

import pytest

from segkit.engine.export import export
from segkit.engine.export_subject import find_subject

pytestmark = pytest.mark.slow


def test_onnx(tmp_path):
    pytest.importorskip("onnxscript")
    report = export(find_subject("vmpanet", size=(64, 64)), "onnx", tmp_path)
    assert report["dynamic"] == ["batch", "height", "width"]
    assert report["nodes"] < 5_000
    assert report["graph_bytes"] < 1e6
