"""The script for a GPU: every part runs on the CPU at toy size, is kept, and is not run again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def device(out: Path, *words: str):
    command = [sys.executable, "-m", "benchmarks.device", "--dry-run", "--out", str(out), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_part_runs_at_toy_size(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    done = device(tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = ("doctor", "equal", "repeats", "scans", "steps", "distances", "folds")
    for name in parts:
        assert json.loads((tmp_path / "out" / f"{name}.json").read_text())["passed"]
        assert f"| {name} | yes |" in (tmp_path / "out" / "page.md").read_text()


@pytest.mark.slow
def test_what_is_there_is_kept_and_what_failed_is_tried_again(tmp_path):
    (tmp_path / "doctor.json").write_text('{"passed": true, "card": "kept", "took": 0}')
    (tmp_path / "distances.json").write_text('{"passed": false, "error": "x", "took": 0}')
    assert device(tmp_path, "--only", "doctor,distances").returncode == 0
    assert json.loads((tmp_path / "doctor.json").read_text())["card"] == "kept"
    assert json.loads((tmp_path / "distances.json").read_text())["worst"] == 0
