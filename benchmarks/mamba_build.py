"""mamba-ssm's CUDA scan for a comparison, where it is not installed: only that kernel, by nvcc.

    python benchmarks/mamba_build.py mamba_ssm-2.2.6.tar.gz    # or an unpacked folder

The package's own setup builds every kernel for nine architectures; this builds the files of
`csrc/selective_scan` for the GPU that is here (some minutes; torch keeps the result).
"""

from __future__ import annotations

import importlib
import sys
import tarfile
import tempfile
from pathlib import Path

NAME = "selective_scan_cuda"  # the module that segkit's backend `mamba` looks for
FLAGS = [
    "-O3", "-std=c++17", "--use_fast_math", "--expt-relaxed-constexpr", "--expt-extended-lambda",
    *(f"-U__CUDA_NO_{kind}__" for kind in (
        "HALF_OPERATORS", "HALF_CONVERSIONS", "BFLOAT16_OPERATORS", "BFLOAT16_CONVERSIONS",
    )),
]  # fmt: skip


def provide(source: Path) -> None:
    """Make the module importable: the installed one, else one built from `source`."""
    try:
        importlib.import_module(NAME)
    except ImportError:
        with tempfile.TemporaryDirectory() as scratch:
            sys.modules[NAME] = build(kernel_folder(source, Path(scratch)))


def kernel_folder(source: Path, scratch: Path) -> Path:
    """The folder `csrc/selective_scan` of an unpacked or packed source distribution."""
    if not source.exists():
        raise SystemExit(f"{source}: there is no such file or folder")
    if source.is_file():
        with tarfile.open(source) as archive:
            archive.extractall(scratch, filter="data")
        source = scratch
    found = sorted(path.parent for path in source.rglob("csrc/selective_scan/selective_scan.cpp"))
    if not found:
        raise SystemExit(f"{source}: no csrc/selective_scan/selective_scan.cpp in it")
    return found[0]


def build(folder: Path):
    """Compile and load; says what is missing where there is no GPU or no nvcc."""
    import torch
    from torch.utils import cpp_extension

    if not torch.cuda.is_available():
        raise SystemExit("mamba-ssm's scan cannot be built: this torch sees no CUDA device")
    if cpp_extension.CUDA_HOME is None:
        raise SystemExit("mamba-ssm's scan cannot be built: no nvcc (set CUDA_HOME)")
    sources = [str(path) for kind in ("*.cpp", "*.cu") for path in sorted(folder.glob(kind))]
    return cpp_extension.load(
        NAME, sources, extra_cflags=["-O3"], extra_cuda_cflags=FLAGS,
        extra_include_paths=[str(folder)],
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    provide(Path(sys.argv[1]))
    print(sys.modules[NAME])
