"""Arguments for the C kernels, drawn by hypothesis for a while: `python fuzz.py MINUTES SEED`.

Sizes from 0, values from tame to infinite, any strides. Where the values are tame, the results must
be those of the definition; everywhere nothing may be read or written beside its array, which the
sanitizers see to (sanitize.py).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from segkit import native, ops
from segkit.metrics import contour, distances, kernel
from segkit.ops import reference
from segkit.ops.arguments import scan_args

AT_ONCE = 100  # examples between two looks at the clock
SIDES = st.integers(0, 9) | st.sampled_from([31, 63, 64, 65, 127, 130])
SCALES = st.sampled_from([1.0, 1.0, 1.0, 1e-38, 1e20, float("inf"), float("nan")])


def drawn(shape: tuple[int, ...], number: int, scale: float, strided: bool) -> torch.Tensor:
    """Normal values, some of them replaced by `scale`; `strided`: every other of a larger array."""
    generator = torch.Generator().manual_seed(number)
    step = 2 if strided else 1
    values = torch.randn(*shape[:-1], shape[-1] * step, generator=generator)[..., ::step]
    if scale != 1.0 and values.numel():
        values.masked_fill_(torch.rand(values.shape, generator=generator) < 0.1, scale)
    return values


SCAN_ARGUMENTS = (
    st.integers(0, 3), st.integers(1, 9), SIDES, st.integers(1, 20), st.sampled_from([1, 2, 3]),
    SCALES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**31),
)  # fmt: skip


def scan(batch, channels, length, state, groups, scale, strided, softplus, reverse, number):
    """Value and gradients of a scan."""
    channels *= groups
    u, delta = (drawn((batch, channels, length), number + i, scale, strided) for i in (0, 1))
    B, C = (drawn((batch, groups, state, length), number + i, scale, strided) for i in (2, 3))
    A = -drawn((channels, state), number + 4, 1.0, strided).abs()
    D, bias = (drawn((channels,), number + i, 1.0, False) for i in (5, 6))
    if not softplus:
        delta, bias = delta.abs(), bias.abs()
    leaves = [value.requires_grad_() for value in (u, delta, A, B, C, D, bias)]
    y = ops.selective_scan(
        u, delta, A, B, C, D, delta_bias=bias, delta_softplus=softplus, reverse=reverse
    )
    y.sum().backward()
    if scale == 1.0 and y.numel():
        args = scan_args(u.double(), delta.double(), A.double(), B.double(), C.double(),
                         D.double(), bias.double(), softplus, reverse)  # fmt: skip
        expected = reference.scan(args)
        assert (y - expected).abs().max() <= 1e-4 * expected.abs().max().clamp(min=1)
    assert all(leaf.grad is not None for leaf in leaves)


SS2D_ARGUMENTS = (
    st.integers(0, 2), SIDES, st.integers(0, 9), st.integers(1, 40), st.integers(1, 17),
    st.integers(1, 4), SCALES, st.booleans(), st.integers(0, 2**31),
)  # fmt: skip


def ss2d(batch, height, width, channels, state, rank, scale, strided, number):
    """Value and gradients of the four directions; as torch's form has them where tame."""
    leaves = [
        drawn(shape, number + i, scale if i == 0 else 1.0, strided)
        for i, shape in enumerate(
            [
                (batch, height, width, channels),
                (4, rank + 2 * state, channels),
                (4, channels, rank),
                (4, channels),
                (4 * channels, state),
                (4 * channels,),
            ]
        )
    ]
    leaves[1] = leaves[1] * channels**-0.5
    leaves[4] = -leaves[4].abs()
    results = []
    for backend in ("native", "torch") if scale == 1.0 else ("native",):
        own = [leaf.clone().requires_grad_() for leaf in leaves]
        with ops.using_backend(backend):
            y = ops.ss2d(*own)
            y.sum().backward()
        results.append([y.detach(), *(leaf.grad for leaf in own)])
    for one, other in zip(*results, strict=True) if len(results) == 2 else ():
        if other.numel():
            assert (one - other).abs().max() <= 1e-3 * other.abs().max().clamp(min=1)


SURFACE_ARGUMENTS = (
    st.integers(0, 3), st.integers(1, 70), st.integers(1, 70), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 2.0, 1e30]), st.integers(0, 2**31),
)  # fmt: skip


def surface(pairs, high, wide, share, other, tolerance, number):
    """Counts and distances of pairs of masks; to the bit as they are worked out in Python."""
    generator = np.random.default_rng(number)
    one, two = (generator.random((pairs, high, wide)) < part for part in (share, other))
    found = kernel.measure(one, two, tolerance)
    assert found is not None
    for row, p, t in zip(found, one, two, strict=True):
        assert row[0] == (p & t).sum()
        if p.any() and t.any():
            expected = distances.summarise(*contour.directed(p, t), tolerance)
            assert [float(row[i]) for i in range(5, 9)] == [
                expected[name] for name in ("hd", "hd95", "assd", "nsd")
            ]


def _with_lanes(width: int) -> None:
    """The kernels in the variant of this vector width."""
    os.environ["SEGKIT_LANES"] = str(width)
    native.lanes.cache_clear()
    native.function.cache_clear()


TESTS = ((scan, SCAN_ARGUMENTS), (ss2d, SS2D_ARGUMENTS), (surface, SURFACE_ARGUMENTS))


def for_a_while(tests: tuple[tuple[Callable, tuple], ...], minutes: float, first: int) -> int:
    """The tests in turn, each time with new examples; how many there were."""
    end, turn = time.monotonic() + 60 * minutes, 0
    how = settings(
        max_examples=AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    widths = [width for width in (16, 8, 4) if width <= native.lanes()]
    while time.monotonic() < end:
        _with_lanes(widths[turn % len(widths)])
        for test, drawn_by in tests:
            seed(first + turn)(how(given(*drawn_by)(test)))()
        turn += 1
    return turn * AT_ONCE * len(tests)


if __name__ == "__main__":
    torch.set_num_threads(2)
    assert native.library() is not None, native.reason()
    with ops.using_backend("native"):
        count = for_a_while(TESTS, float(sys.argv[1]), int(sys.argv[2]))
    print(f"{count:,} examples, nothing found (all vector widths)")
