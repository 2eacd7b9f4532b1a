"""The kernels compile for cards that are not here, and none spills where it is forbidden."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its tools on Linux")
sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import kernels  # noqa: E402


@pytest.mark.slow
def test_no_kernel_spills_on_an_h100():
    rows = list(kernels.survey([kernels.STRICT]))
    assert len(rows) == len(kernels.OWN_FLAGS) * len(kernels.STATES)
    assert [row for row in rows if row.spilled] == []
    assert all(0 < row.registers <= 255 for row in rows)


def test_a_spill_stands_in_the_table():
    rows = [kernels.Used("backward", "SS2D, N 16", "sm_90", 255, 16, 4096)]
    assert "| `backward` | SS2D, N 16 | 255, 16 spilled; 4096 |" in kernels.table(rows, ["sm_90"])


def test_tensors_come_before_strides_and_sizes():
    types = kernels.signature(kernels.kernels.chain)
    assert types["end"] == types["decay"] == types["start"] == "*fp32"
    assert types["BACK"] == "constexpr"
