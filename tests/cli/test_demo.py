"""`segkit demo` as a new user runs it, made small."""

import json
import subprocess
import sys

import pytest


def segkit(*words, cwd, home):
    import os

    environment = {**os.environ, "SEGKIT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "segkit", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_demo_ends_with_a_report_and_the_next_commands(tmp_path):
    words = ("demo", "--epochs", "1", "--size", "32")
    done = segkit(*words, cwd=tmp_path, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "demo"
    expected = {"recipe.json", "environment.json", "data.json", "split.json", "summary.json"}
    assert expected | {"report.html", "fold0", "example"} <= {p.name for p in run.iterdir()}
    assert [p.name for p in (run / "example" / "overlays").iterdir()] == ["example.jpg"]
    fold = {p.name for p in (run / "fold0").iterdir()}
    assert {"metrics.csv", "last.pt", "best.safetensors", "cases.csv"} <= fold
    assert "runs/demo/report.html" in done.stdout
    assert done.stdout.count("  segkit ") == 3
    assert "Traceback" not in done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["n"] == 72  # 240 pictures, 7:3
    again = segkit(*words, "--out", "runs/demo", cwd=tmp_path, home=tmp_path / "home")
    assert again.returncode == 2
    assert "holds a run already" in again.stderr


def test_an_unknown_network_or_set_is_refused_at_once(tmp_path):
    done = segkit("demo", "unett", cwd=tmp_path, home=tmp_path)
    assert done.returncode == 2
    assert "'unet'" in done.stderr
    done = segkit("demo", "--data", "demo-polyps", cwd=tmp_path, home=tmp_path)
    assert done.returncode == 2
    assert "'demo-polyp'" in done.stderr
