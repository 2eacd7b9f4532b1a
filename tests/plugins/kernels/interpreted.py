"""Run by test_triton.py in a process of its own: the Triton kernels against the float64 loop.

TRITON_INTERPRET=1 python interpreted.py quick|full|adversarial|offsets
"""

from __future__ import annotations

import itertools
import sys

import torch
import triton
import triton.language as tl

from segkit import ops
from segkit.ops import dispatch
from segkit_kernels import triton_kernels as kernels


def scan_values(batch, channels, length, state, groups):
    torch.manual_seed(0)
    return [
        torch.randn(batch, channels, length).double(),
        (torch.randn(batch, channels, length) * 0.5).double(),
        -torch.arange(1.0, state + 1).repeat(channels, 1).double() * 0.5,
        torch.randn(batch, groups, state, length).double(),
        torch.randn(batch, groups, state, length).double(),
        torch.randn(channels).double(),
        torch.randn(channels).double() * 0.1,
    ]


def ss2d_values(batch, height, width, channels, state, rank):
    torch.manual_seed(0)
    return [
        torch.randn(batch, height, width, channels).double(),
        torch.randn(4, rank + 2 * state, channels).double() * channels**-0.5,
        torch.randn(4, channels, rank).double(),
        torch.randn(4, channels).double() - 1,
        -torch.arange(1.0, state + 1).repeat(4 * channels, 1).double() * 0.5,
        torch.randn(4 * channels).double(),
    ]


def results(backend, core, values, dtype):
    leaves = [value.float().to(dtype).requires_grad_() for value in values]
    with ops.using_backend(backend):
        y = core(*leaves)
        weight = torch.linspace(-1, 1, y.numel()).view(y.shape).to(dtype)
        return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves, allow_unused=True)]


def check(label, core, values, dtype=torch.float32, runs=1, most=2e-6):
    expected = results("reference", core, values, torch.float64)
    first, *others = (results("triton", core, values, dtype) for _ in range(runs))
    worst = 0.0
    for index, (got, want) in enumerate(zip(first, expected, strict=True)):
        if want is None:
            assert got is None
            continue
        assert all(torch.equal(got, other[index]) for other in others), f"{label}: runs differ"
        if want.abs().max() > 0:
            worst = max(worst, float((got - want).abs().max() / want.abs().max()))
    print(f"{label}: {worst:.1e}", flush=True)
    assert worst <= (most if dtype == torch.float32 else 1e-12), label


def scan_core(skip=True, bias=True, softplus=True, reverse=False):
    def core(u, delta, A, B, C, D, shift):
        steps = delta if softplus else delta.abs()
        chosen = D if skip else None, None, shift.abs() if bias else None
        return ops.selective_scan(u, steps, A, B, C, *chosen, softplus, reverse)

    return core


def segments(count: int) -> None:
    """How many programs are wanted: 1 keeps the sequence whole, many split it."""
    dispatch.probe("triton", "cpu").kernels.programs = count


def quick() -> None:
    segments(10_000)
    check("scan in two segments", scan_core(), scan_values(1, 1, 70, 2, 1), runs=2)
    check("ss2d", ops.ss2d, ss2d_values(1, 3, 2, 1, 2, 1))


def full() -> None:
    segments(1)
    check("whole", scan_core(), scan_values(1, 1, 130, 2, 1))
    segments(10_000)
    for flags in itertools.product((True, False), repeat=4):
        if sum(flags) % 2:  # every pair of arguments in both states
            check(f"flags {flags}", scan_core(*flags), scan_values(1, 1, 66, 2, 1))
    for length in (1, 63, 64, 65, 200):
        check(f"length {length}", scan_core(), scan_values(1, 2, length, 1, 2))
    for state in (5, 16):
        check(f"state {state}", scan_core(), scan_values(1, 1, 10, state, 1))
    check("18 channels", scan_core(), scan_values(1, 18, 5, 2, 1))  # more than one block
    check("float64", scan_core(), scan_values(1, 1, 70, 2, 1), torch.float64)
    for shape in ((2, 3, 5, 2, 3, 2), (1, 13, 6, 2, 2, 1)):
        check(f"ss2d {shape}", ops.ss2d, ss2d_values(*shape))


# batch, channels, length, states, groups: chunks of 64 that end early, states that are no power of
# two, one channel more than a block, groups of one
SCANS = (
    (1, 1, 1, 1, 1), (3, 2, 2, 3, 2), (1, 1, 63, 7, 1), (1, 2, 65, 3, 1), (2, 1, 127, 1, 1),
    (1, 1, 128, 5, 1), (1, 2, 129, 2, 2), (1, 17, 3, 3, 1), (1, 1, 70, 17, 1), (2, 6, 5, 6, 3),
    (1, 1, 193, 9, 1), (1, 33, 2, 1, 1), (1, 1, 64, 33, 1),
)  # fmt: skip
# batch, height, width, channels, states, rank: lines, columns, maps longer than a chunk
MAPS = (
    (1, 1, 1, 1, 1, 1), (1, 1, 7, 2, 3, 1), (1, 7, 1, 2, 3, 1), (2, 3, 5, 3, 5, 2),
    (1, 5, 3, 1, 7, 3), (1, 1, 65, 1, 2, 1), (1, 65, 1, 1, 2, 1), (1, 8, 8, 2, 1, 2),
    (1, 9, 8, 1, 3, 1), (1, 13, 5, 2, 2, 1), (1, 2, 2, 17, 3, 2), (3, 2, 3, 1, 17, 1),
)  # fmt: skip


def strided(value):
    """The same numbers with a gap after each: no kernel may take a tensor for contiguous."""
    wide = torch.zeros(*value.shape, 2, dtype=value.dtype)
    wide[..., 0] = value
    return wide[..., 0]


def adversarial() -> None:
    for programs in (1, 10_000):
        segments(programs)
        for shape in SCANS:
            values = scan_values(*shape)
            check(f"scan {shape}, {programs}", scan_core(), values)
            check(f"scan {shape} backwards", scan_core(reverse=True), [*map(strided, values)])
        for shape in MAPS:
            values = [*map(strided, ss2d_values(*shape))]
            check(f"ss2d {shape}, {programs}", ops.ss2d, values, most=1e-5)  # few, small sums
    values = [value.bfloat16().double() for value in scan_values(1, 2, 70, 3, 1)]
    check("numbers of bf16", scan_core(), values)


@triton.jit
def last_offsets(out, length, stride, MAP: tl.constexpr, REVERSE: tl.constexpr):
    rows = tl.arange(0, 64)
    at = kernels.position(length - 64 + rows, 0, length, 1, length, MAP, REVERSE)
    tl.store(out + rows, at * stride)


def offsets() -> None:
    length, stride = 2**26, 100  # 6.7e9 numbers: three times what 32 bits can address
    for mapped, reverse in ((False, False), (False, True), (True, False)):
        out = torch.zeros(64, dtype=torch.int64)
        last_offsets[(1,)](out, length, stride, mapped, reverse)
        steps = torch.arange(length - 64, length)
        wanted = (length - 1 - steps if reverse else steps) * stride
        assert torch.equal(out, wanted), (mapped, reverse)


if __name__ == "__main__":
    {"quick": quick, "full": full, "adversarial": adversarial, "offsets": offsets}[sys.argv[1]]()
    print("equal")
