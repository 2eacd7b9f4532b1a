"""The Triton kernels: numbers through Triton's interpreter, code for a GPU through its compiler."""

from __future__ import annotations

import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed (segkit[triton])"
)

CONSTANTS = {
    "N2": 16, "MAP": True, "REVERSE": False, "BIAS": True, "SOFT": True, "SKIP": True,
    "WRITE": True, "STEPS": 64, "BACK": False, "SIZE": 256,
}  # fmt: skip
POINTERS = {
    "u", "step", "weight", "bias", "A", "B", "C", "skip", "y", "carry", "start", "end", "decay",
    "dy", "flows", "d_A", "d_u", "d_raw", "d_B", "d_C",
}  # fmt: skip


def interpret(which: str) -> None:
    """Run interpreted.py with the interpreter on: Triton reads the variable when it is imported."""
    script = Path(__file__).with_name("interpreted.py")
    result = subprocess.run(
        [sys.executable, str(script), which],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert result.stdout.strip().endswith("equal"), result.stdout


def test_a_scan_in_the_interpreter():
    interpret("quick")


@pytest.mark.slow
def test_all_arguments_and_segments_in_the_interpreter():
    interpret("full")


@pytest.mark.slow
def test_shapes_that_fit_nothing_in_the_interpreter():
    """13 scans and 12 maps, whole and in segments, forwards and backwards, value and gradients."""
    interpret("adversarial")


def test_more_channels_than_a_grid_has_rows_are_refused_in_words():
    """On any machine: the sizes are checked before a kernel starts."""
    from segkit.errors import SegkitError
    from segkit_kernels.triton_backend import GRID, TritonKernels

    with pytest.raises(SegkitError, match="too many for the triton backend"):
        TritonKernels()._sizes(1, 8, 1, GRID + 1, 1)


@pytest.mark.slow
def test_offsets_are_worked_out_in_64_bits():
    """At positions whose offset passes 2³¹, in the interpreter, on a tensor of strides alone."""
    interpret("offsets")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["forward", "chain", "backward_flow", "backward"])
@pytest.mark.parametrize("mapped", [True, False])
def test_compiles_for_a_gpu(name, mapped):
    """No GPU is needed to see that the code generator takes every kernel (sm_90)."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from segkit_kernels import triton_kernels

    function = getattr(triton_kernels, name)
    names = list(inspect.signature(function.fn).parameters)
    constants = {**CONSTANTS, "MAP": mapped}
    kinds = {key: "*fp32" if key in POINTERS else "i32" for key in names}
    kinds |= {key: "constexpr" for key in names if key in constants}
    values = {(names.index(key),): constants[key] for key in names if key in constants}
    compiled = compile(ASTSource(function, kinds, values), target=GPUTarget("cuda", 90, 32))
    assert "ptx" in compiled.asm
    assert "atom" not in compiled.asm["ptx"]  # atom.* and red.* would lose the fixed order of sums
    assert "red.global" not in compiled.asm["ptx"]
