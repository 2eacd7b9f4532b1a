"""Every paper's network and the small U-Net pass the gate in both formats; graphs are small.

Small pictures, for the time it takes; docs/commands/export.md has figures at the papers' sizes.
"""

from __future__ import annotations

import pytest

from segkit.engine.exporting.export import export
from segkit.engine.exporting.subject import find_subject

pytestmark = pytest.mark.slow

NETWORKS = ("unet", "qtseg", "eamnet", "dermomamba", "vmpanet")
SIZES = ["its size", "not square", "no multiple of 32"]


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx(name, tmp_path):
    pytest.importorskip("onnxscript")
    report = export(find_subject(name, size=(64, 64)), "onnx", tmp_path)
    assert [case["name"] for case in report["cases"]] == SIZES
    assert max(case["flipped"] for case in report["cases"]) <= 1e-4
    assert report["dynamic"] == ["batch", "height", "width"]
    assert report["nodes"] < 5_000
    assert report["graph_bytes"] < 1e6


@pytest.mark.parametrize("name", NETWORKS)
def test_pt2(name, tmp_path):
    report = export(find_subject(name, size=(64, 64)), "pt2", tmp_path)
    assert [case["name"] for case in report["cases"]] == SIZES
    assert max(case["max_difference"] - case["bound"] for case in report["cases"]) <= 0
    assert report["needs"] == (["segkit"] if name in ("dermomamba", "vmpanet") else [])
