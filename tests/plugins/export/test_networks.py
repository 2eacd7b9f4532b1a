"""The papers' networks pass the gate at three sizes, and their graphs stay small."""

from __future__ import annotations

import pytest

from segkit.engine.export import export
from segkit.engine.export_subject import find_subject

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "size"), [("vmpanet", (64, 64)), ("qtseg", (96, 96))])
def test_onnx(name, size, tmp_path):
    pytest.importorskip("onnxscript")
    report = export(find_subject(name, size=size), "onnx", tmp_path)
    assert report["dynamic"] == ["batch", "height", "width"]
    assert report["nodes"] < 5_000
    assert report["graph_bytes"] < 1e6


@pytest.mark.parametrize(
    ("name", "size", "needs"),
    [("dermomamba", (64, 64), ["segkit"]), ("eamnet", (64, 64), [])],
)
def test_pt2(name, size, needs, tmp_path):
    report = export(find_subject(name, size=size), "pt2", tmp_path)
    assert report["needs"] == needs
    assert len(report["cases"]) == 3
