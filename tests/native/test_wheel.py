"""The wheel: with a compiler it carries the kernels and runs without one; else it is pure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from segkit.native import building

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SCAN = """
import torch
from segkit import native, ops
torch.manual_seed(0)
u, delta, A = torch.randn(1, 4, 70), torch.randn(1, 4, 70), -torch.rand(4, 5)
B = torch.randn(1, 5, 70)
with ops.using_backend("reference"):
    expected = ops.selective_scan(u, delta, A, B, B, delta_softplus=True)
got = ops.selective_scan(u, delta, A, B, B, delta_softplus=True)
assert (got - expected).abs().max() < 1e-5
status = {item["name"]: item for item in ops.backend_statuses()}["native"]
lanes = native.lanes() if native.library() else None
print(native.__file__, ops.backend_in_use(), lanes, status["reason"], status["cure"], sep="|")
"""


def wheel(folder: Path, **environment: str) -> Path:
    """Build from a copy of the sources, so that the tree and its library stay as they are."""
    copy = folder / "sources"
    skip = shutil.ignore_patterns("__pycache__", "*.so", ".*", "tests", "runs", "node_modules")
    shutil.copytree(ROOT, copy, ignore=skip)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "out")],
        cwd=copy, env={**os.environ, **environment}, check=True, capture_output=True, timeout=280,
    )  # fmt: skip
    return next((folder / "out").glob("*.whl"))


def run_installed(package: Path, folder: Path, **environment: str) -> list[str]:
    """Scan with the wheel's contents on the path, in a world without a compiler."""
    target = folder / "installed"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(target)
    clean = {k: v for k, v in os.environ.items() if k not in ("CC", "SEGKIT_BACKEND")}
    clean |= {"PYTHONPATH": str(target), "PATH": "/nonexistent", **environment}
    result = subprocess.run(
        [sys.executable, "-c", SCAN], cwd=folder, env=clean,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    where, *facts = result.stdout.strip().split("|")
    assert where.startswith(str(target))  # the wheel was tested, not the tree
    return facts


@pytest.mark.skipif(building.compiler() is None, reason="no C compiler")
@pytest.mark.parametrize("lanes", ["4", "8"])
def test_a_built_wheel_needs_no_compiler_and_no_avx512(tmp_path_factory, lanes):
    folder = tmp_path_factory.getbasetemp() / "native-wheel"
    if not folder.exists():
        folder.mkdir()
        wheel(folder)
    package = next((folder / "out").glob("*.whl"))
    assert "py3-none-any" not in package.name
    backend, used, reason, _ = run_installed(package, folder, SEGKIT_LANES=lanes)
    assert (backend, used, reason) == ("native", lanes, "")


def test_without_a_compiler_the_wheel_is_pure_and_says_so(tmp_path):
    package = wheel(tmp_path, CC="no-such-compiler")
    assert package.name.endswith("py3-none-any.whl")
    backend, used, reason, cure = run_installed(package, tmp_path)
    assert (backend, used) == ("torch", "None")
    assert "without a C compiler" in reason
    assert "Install a C compiler" in cure
