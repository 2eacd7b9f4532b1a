"""The C kernels under AddressSanitizer and UBSan: `make sanitize` and `make fuzz` come here.

    python tests/native/sanitize.py suites              the whole scan and surface suites
    python tests/native/sanitize.py fuzz --minutes 10   arguments drawn by hypothesis

The kernels are compiled with both sanitizers into a library of its own (SEGKIT_LIBRARY); the tests
run in a process into which the compiler's libasan is loaded first. The first complaint ends it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from segkit.native import building

HERE = Path(__file__).parent
TESTS = HERE.parent
FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
SUITES = (
    "plugins/kernels/test_backends.py",
    "plugins/kernels/test_ss2d_backends.py",
    "plugins/kernels/test_threads.py",
    "plugins/export/test_operators.py",
    "metrics/test_surface.py",
)


def runtime(name: str = "libasan.so") -> str:
    """The compiler's AddressSanitizer library, or another of its own; empty if it has none."""
    command = [*(building.compiler() or []), f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return found if Path(found).is_absolute() else ""


def environment(library: Path) -> dict[str, str]:
    """Of a process in which every access of the kernels is checked."""
    return {
        **os.environ,
        # the second, since ASan must find it before ONNX Runtime throws in C++
        "LD_PRELOAD": f"{runtime()}:{runtime('libstdc++.so.6')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "SEGKIT_LIBRARY": str(library),
    }


def built(folder: Path) -> Path:
    """The kernels with both sanitizers."""
    return building.build(folder / "sanitized.so", FLAGS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("suites", "fuzz"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "native or operators"]
    words = {
        "suites": [*pytest, *(str(TESTS / suite) for suite in SUITES)],
        "fuzz": [str(HERE / "fuzz.py"), str(chosen.minutes), str(chosen.seed)],
    }
    with tempfile.TemporaryDirectory() as folder:
        library = built(Path(folder))
        return subprocess.call([sys.executable, *words[chosen.what]], env=environment(library))


if __name__ == "__main__":
    sys.exit(main())
