"""Every backend equals the float64 loop, in value and in all gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from torch import Tensor

from segkit import native, ops
from segkit.ops import reference
from segkit.ops.arguments import scan_args

TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-12}  # of the maximum
NAMES = ("u", "delta", "A", "B", "C", "D", "z", "bias")
FLAGS = list(itertools.product((True, False), repeat=5))  # D, z, bias, softplus, reverse


def widths() -> list[str]:
    if native.library() is None:
        return []
    return [f"native-{width}" for width in (16, 8, 4) if width <= native.lanes()]


@contextmanager
def forced(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backend, for native with a vector width."""
    kind, _, width = name.partition("-")
    if width:
        monkeypatch.setenv("SEGKIT_LANES", width)
    native.lanes.cache_clear()
    native.function.cache_clear()
    try:
        with ops.using_backend(kind):
            yield
    finally:
        monkeypatch.delenv("SEGKIT_LANES", raising=False)
        native.lanes.cache_clear()
        native.function.cache_clear()


FAST = ["torch", *widths()]  # float32 kernels that run here
EXACT = ["torch", "export"]  # those that also take float64


def inputs(batch=2, channels=8, length=65, state=16, groups=1, seed=0, scale=1.0) -> dict:
    """Float32 values, held in float64, with A as at the start of training."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    values = {
        "u": normal(batch, channels, length),
        "delta": normal(batch, channels, length) * 0.5 * scale,
        "A": -torch.arange(1.0, state + 1).repeat(channels, 1) * 0.5,
        "B": normal(batch, groups, state, length),
        "C": normal(batch, groups, state, length),
        "D": normal(channels),
        "z": normal(batch, channels, length),
        "bias": normal(channels) * 0.1,
    }
    return {name: value.double() for name, value in values.items()}


def run(values: dict, weight: Tensor, dtype: torch.dtype, softplus=True, reverse=False):
    """y and the gradients of <y, weight> of `selective_scan`."""
    leaves = {k: None if v is None else v.to(dtype).requires_grad_() for k, v in values.items()}
    bias = leaves["bias"]
    arguments = [leaves[name] for name in NAMES[:7]]
    y = ops.selective_scan(*arguments, bias, softplus, reverse)
    present = {name: leaf for name, leaf in leaves.items() if leaf is not None}
    grads = torch.autograd.grad((y * weight.to(dtype)).sum(), list(present.values()))
    return {"y": y.detach(), **dict(zip(present, grads, strict=True))}


def loop(values: dict, weight: Tensor, softplus=True, reverse=False):
    """The same by the definition, in float64."""
    with ops.using_backend("reference"):
        return run(values, weight, torch.float64, softplus, reverse)


def assert_equal(got: dict, expected: dict, tolerance: float) -> None:
    assert got.keys() == expected.keys()
    for name, want in expected.items():
        assert got[name].shape == want.shape
        scale = float(want.abs().max()) if want.numel() else 1.0
        worst = float((got[name].double() - want).abs().max()) if want.numel() else 0.0
        assert worst <= tolerance * max(scale, 1e-30), f"{name}: {worst:.1e} of {scale:.1e}"


def compare(backend: str, monkeypatch, dtype=torch.float32, softplus=True, reverse=False, **shape):
    values = inputs(**shape)
    weight = torch.randn(values["u"].shape, generator=torch.Generator().manual_seed(9)).double()
    expected = loop(values, weight, softplus, reverse)
    with forced(backend, monkeypatch):
        got = run(values, weight, dtype, softplus, reverse)
    assert_equal(got, expected, TOLERANCE[dtype])


def test_the_loop_is_the_definition():
    """Three steps by hand: A = -ln 2, so the state halves at delta = 1."""
    half = torch.tensor([[-0.6931471805599453]], dtype=torch.float64)
    u = torch.tensor([[[1.0, 2.0, 4.0]]], dtype=torch.float64)
    one = torch.ones_like(u)
    args = scan_args(u, one, half, one, 3 * one, torch.tensor([10.0]), None, False, False)
    # h = 1, 2.5, 5.25; y = 3 h + 10 u
    assert torch.allclose(reference.scan(args), torch.tensor([[[13.0, 27.5, 55.75]]]).double())
    backwards = reference.scan(args._replace(reverse=True))
    # from the end: h = 4, 4, 3
    assert torch.allclose(backwards, torch.tensor([[[19.0, 32.0, 52.0]]]).double())


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("backend", FAST)
def test_lengths(backend, length, monkeypatch):
    compare(backend, monkeypatch, length=length, groups=2)
    compare(backend, monkeypatch, length=length, groups=2, reverse=True, seed=1)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("backend", EXACT)
def test_float64(backend, length, monkeypatch):
    compare(backend, monkeypatch, torch.float64, length=length, groups=4, state=5)
    compare(backend, monkeypatch, torch.float64, length=length, state=3, reverse=True)


@pytest.mark.parametrize("state", [1, 2, 3, 5, 8, 15, 16, 17, 32, 33, 64])
@pytest.mark.parametrize("backend", FAST)
def test_state_sizes(backend, state, monkeypatch):
    compare(backend, monkeypatch, state=state, length=70)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("channels", [4, 20, 68])
@pytest.mark.parametrize("backend", FAST)
def test_groups_and_channels(backend, groups, channels, monkeypatch):
    compare(backend, monkeypatch, channels=channels, groups=groups, state=4, length=70)


@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "".join("01"[flag] for flag in flags))
@pytest.mark.parametrize("backend", FAST)
def test_argument_combinations(backend, flags, monkeypatch):
    skip, gate, bias, softplus, reverse = flags
    values = inputs(length=66, state=4, groups=2)
    if not softplus:
        values["delta"] = values["delta"].abs()
        values["bias"] = values["bias"].abs()
    for name, present in (("D", skip), ("z", gate), ("bias", bias)):
        if not present:
            values[name] = None
    weight = torch.randn(values["u"].shape, dtype=torch.float64)
    expected = loop(values, weight, softplus, reverse)
    with forced(backend, monkeypatch):
        got = run(values, weight, torch.float32, softplus, reverse)
    assert_equal(got, expected, 2e-6)


@cache
def long_case():
    values = inputs(batch=1, channels=2, length=49152, state=2)
    weight = torch.randn(values["u"].shape, generator=torch.Generator().manual_seed(3)).double()
    return values, weight, loop(values, weight)


@pytest.mark.slow
@pytest.mark.parametrize("backend", FAST)
def test_a_whole_image_as_one_sequence(backend, monkeypatch):
    values, weight, expected = long_case()
    with forced(backend, monkeypatch):
        got = run(values, weight, torch.float32)
    assert_equal(got, expected, 2e-6)


@pytest.mark.parametrize("delta", [0.0, 80.0])
@pytest.mark.parametrize("backend", FAST)
def test_extreme_steps(backend, delta, monkeypatch):
    values = inputs(length=130)
    values["delta"] = torch.full_like(values["delta"], delta)
    values["bias"] = None
    weight = torch.ones_like(values["u"])
    expected = loop(values, weight, False)
    with forced(backend, monkeypatch):
        got = run(values, weight, torch.float32, False)
    assert all(torch.isfinite(value).all() for value in got.values())
    assert_equal(got, expected, 2e-6)


@pytest.mark.parametrize("backend", FAST)
def test_strided_inputs(backend, monkeypatch):
    """Transposed storage, steps over a larger tensor, expanded B."""
    values = inputs(length=65, groups=1)
    weight = torch.ones_like(values["u"])
    expected = loop(values, weight)
    strided = dict(values)
    strided["u"] = values["u"].transpose(1, 2).contiguous().transpose(1, 2)
    strided["delta"] = values["delta"].repeat_interleave(2, -1)[..., ::2]
    strided["C"] = values["C"].permute(3, 1, 2, 0).contiguous().permute(3, 1, 2, 0)
    assert not strided["u"].is_contiguous()
    with forced(backend, monkeypatch):
        got = run(strided, weight, torch.float32)
    assert_equal(got, expected, 2e-6)


@pytest.mark.parametrize(("batch", "length"), [(0, 5), (2, 0), (0, 0)])
@pytest.mark.parametrize("backend", FAST)
def test_nothing_to_scan(backend, batch, length, monkeypatch):
    values = inputs(batch=batch, length=length, channels=4, state=3)
    with forced(backend, monkeypatch):
        got = run(values, torch.ones_like(values["u"]), torch.float32)
    assert got["y"].shape == (batch, 4, length)
    assert not got["A"].any()
    assert got["A"].shape == (4, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", FAST)
def test_half_inputs_are_scanned_in_float32(backend, dtype, monkeypatch):
    values = {k: v.to(dtype).double() for k, v in inputs(length=130).items()}
    weight = torch.ones_like(values["u"])
    expected = loop(values, weight)["y"]
    with forced(backend, monkeypatch):
        got = run(values, weight, dtype)
    assert got["y"].dtype == dtype
    assert got["A"].dtype == dtype
    error = (got["y"].double() - expected).abs().max() / expected.abs().max()
    assert error <= 4 * torch.finfo(dtype).eps  # roundings at the gate, none along the sequence


@pytest.mark.parametrize("backend", FAST)
def test_two_runs_give_identical_bits(backend, monkeypatch):
    values = inputs(channels=48, length=300)
    weight = torch.ones_like(values["u"])
    with forced(backend, monkeypatch):
        first, second = (run(values, weight, torch.float32) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("backend", FAST)
def test_threads_do_not_change_the_result(backend, monkeypatch):
    values = inputs(channels=40, length=200, groups=2, state=4)
    weight = torch.ones_like(values["u"])
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with forced(backend, monkeypatch):
                results.append(run(values, weight, torch.float32))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(results[0][name], other[name]) for name in other)


def test_native_runs_where_a_compiler_built_it():
    if native.library() is None:
        pytest.skip(f"no C kernels: {native.reason()}")
    assert ops.backend_in_use("cpu") == "native"
    assert ops.backend_in_use("cpu", torch.float64) == "torch"  # C computes in float32 only
