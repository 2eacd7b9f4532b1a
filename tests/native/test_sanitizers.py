"""The C kernels under AddressSanitizer and UndefinedBehaviorSanitizer: sizes 0, 1, odd, huge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segkit.native import building

sys.path.insert(0, str(Path(__file__).parent))

import sanitize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(building.compiler() is None, reason="no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD of libasan is for Linux"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if not sanitize.runtime():
        pytest.skip("the compiler has no libasan")
    return sanitize.built(tmp_path_factory.mktemp("sanitized"))


def run(library: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env=sanitize.environment(library), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def script(name: str) -> str:
    return str(sanitize.HERE / name)


def test_no_sanitizer_complains(library):
    result = run(library, script("sanitized.py"), str(library))
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.startswith("clean")
    assert "runtime error" not in result.stderr


def test_drawn_arguments_find_nothing(library):
    result = run(library, script("fuzz.py"), "0.05", "1")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "nothing found" in result.stdout


def test_a_read_beside_an_array_is_seen(library):
    """The sanitizer is at work: the surface kernel is told of more pairs than there are."""
    words = (
        "import numpy as np; from segkit.metrics import kernel; f = kernel._function(); "
        "m = np.ones((1, 64, 64), bool); out = np.empty((9, 9)); "
        "f(m.ctypes.data, m.ctypes.data, 9, 64, 64, 1.0, out.ctypes.data)"
    )
    result = run(library, "-c", words)
    assert "AddressSanitizer" in result.stderr
