"""`segkit export` as a person and as a program calls it."""

from __future__ import annotations

import json

import pytest

from segkit.cli import run

SMALL = ["--set", "model.width=4", "--set", "model.levels=2", "--size", "64"]


def test_json_is_the_report(capsys, tmp_path):
    assert run(["export", "unet", "--to", "pt2", "--out", str(tmp_path), *SMALL, "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (tmp_path / "unet.pt2").stat().st_size == report["bytes"]
    assert report == json.loads((tmp_path / "unet.pt2.check.json").read_text())
    assert "untrained" in captured.err


@pytest.mark.slow
def test_a_bound_that_cannot_be_met_leaves_nothing(capsys, tmp_path):
    pytest.importorskip("onnxscript")
    words = ["export", "unet", "--to", "onnx", "--out", str(tmp_path / "new"), *SMALL]
    assert run([*words, "--tolerance", "0"]) == 1
    assert "does not answer as the network does" in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unet", "--to", "onx"], "did you mean 'onnx'"),
        (["no-such-run", "--to", "pt2"], "no run folder, trained network or architecture"),
        (["unet", "--to", "pt2", "--precision", "fp16"], "no precision fp16"),
    ],
)
def test_wrong_usage(capsys, tmp_path, words, message):
    assert run(["export", *words, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
