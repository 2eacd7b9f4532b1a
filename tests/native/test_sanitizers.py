"""The C kernels under AddressSanitizer and UndefinedBehaviorSanitizer: sizes 0, 1, odd, huge."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segkit.native import building as build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(build.compiler() is None, reason="no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD of libasan is for Linux"),
]


def runtime() -> str:
    """The compiler's AddressSanitizer library."""
    command = [*(build.compiler() or []), "-print-file-name=libasan.so"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("the compiler has no libasan")
    return found


def run_sanitized(library: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    script = Path(__file__).with_name("sanitized.py")
    return subprocess.run(
        [sys.executable, str(script), str(library)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_no_sanitizer_complains(tmp_path):
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
    library = build.build(tmp_path / "sanitized.so", flags)
    result = run_sanitized(library)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.startswith("clean")
    assert "runtime error" not in result.stderr
