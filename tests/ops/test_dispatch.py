"""Choosing a backend: by order, by force, and saying why not."""

from __future__ import annotations

import importlib.metadata

import pytest
import torch

from segkit import ops, plugins
from segkit.api import Backend
from segkit.errors import SegkitError, UsageError
from segkit.ops import dispatch
from segkit.ops.kernels import ScanKernels


@pytest.fixture
def stranger(monkeypatch):
    """A third-party backend that a test describes."""

    def add(**fields):
        value = Backend(name="stranger", summary="a test", **fields)
        real = plugins.get

        def get(group, name):
            return value if (group, name) == ("backends", "stranger") else real(group, name)

        monkeypatch.setattr(plugins, "get", get)
        monkeypatch.setattr(plugins, "names", lambda group: ["stranger", "torch"])
        for cached in (dispatch.probe, dispatch._description, dispatch._make, dispatch._choose):
            cached.cache_clear()

    yield add
    monkeypatch.undo()
    for cached in (dispatch.probe, dispatch._description, dispatch._make, dispatch._choose):
        cached.cache_clear()


class Wrong(ScanKernels):
    """Runs, but returns zeros."""

    def scan(self, args):
        return torch.zeros_like(args.u), args.u.new_zeros(1)

    def scan_backward(self, args, carry, dy):
        return tuple(torch.zeros_like(item) for item in args[:7])


def test_every_declared_backend_has_a_status():
    statuses = ops.backend_statuses()
    declared = {entry.name for entry in importlib.metadata.entry_points(group="segkit.backends")}
    assert {status["name"] for status in statuses} == declared
    for status in statuses:
        assert status["status"] in ("ok", "unavailable")
        assert bool(status["reason"]) == (status["status"] == "unavailable")
        assert bool(status["devices"]) == (status["status"] == "ok")


def test_the_plain_forms_are_never_chosen_by_themselves():
    names = ops.available_backends("cpu")
    assert names[-2:] == ["reference", "export"]
    assert ops.backend_in_use("cpu") == names[0]


def test_forcing_nests_and_ends():
    with ops.using_backend("torch"):
        assert ops.backend_in_use() == "torch"
        with ops.using_backend("reference"):
            assert ops.backend_in_use() == "reference"
        with ops.using_backend(None):
            assert ops.backend_in_use() == "torch"
    assert ops.backend_in_use() != "reference"


def test_the_variable_forces_too(monkeypatch):
    monkeypatch.setenv("SEGKIT_BACKEND", "torch")
    assert ops.backend_in_use() == "torch"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'native'"), ops.using_backend("nativ"):
        pass


def test_a_forced_backend_that_cannot_is_an_error_with_a_cure():
    x = torch.zeros(1, 1, 1)
    with (
        ops.using_backend("mamba"),
        pytest.raises(SegkitError, match=r"runs on cuda, not on cpu\n.*segkit\[mamba\]"),
    ):
        ops.selective_scan(x, x, torch.zeros(1, 1), x, x)


def test_wrong_numbers_are_found_by_the_probe(stranger):
    stranger(make=Wrong, devices=("cpu",))
    result = dispatch.probe("stranger", "cpu")
    assert result.kernels is None
    assert "tiny scan is wrong" in result.reason


def test_a_broken_plugin_is_a_reason_not_a_crash(stranger):
    stranger(make="no_such_package:make", devices=("cpu",))
    assert "no_such_package" in dispatch.probe("stranger", "cpu").reason


def test_make_must_return_kernels(stranger):
    stranger(make=dict, devices=("cpu",))
    assert "ScanKernels" in dispatch.probe("stranger", "cpu").reason


def test_a_backend_says_what_it_cannot_take():
    kernels = ScanKernels()
    kernels.dtypes, kernels.max_state = (torch.float32,), 8
    assert kernels.refuses(torch.float32, 8) is None
    assert "float64" in kernels.refuses(torch.float64, 8)
    assert "N = 9" in kernels.refuses(torch.float32, 9)


def test_the_backward_may_run_on_another_backend():
    """What is kept for the backward is the same for all, so a switch in between does no harm."""
    u = torch.randn(1, 4, 130, requires_grad=True)
    A, B = -torch.rand(4, 3), torch.randn(1, 3, 130)
    results = []
    for ahead, back in (("torch", "torch"), (ops.available_backends("cpu")[0], "torch")):
        with ops.using_backend(ahead):
            y = ops.selective_scan(u, u.detach().abs(), A, B, B)
        with ops.using_backend(back):
            results.append(torch.autograd.grad(y.sum(), u)[0])
    assert torch.allclose(*results, atol=1e-5)
