"""The adapter to mamba-ssm, on a stand-in for its CUDA module with the same signatures."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from segkit.ops import reference
from segkit.ops.arguments import ScanArgs, scan_args


def stand_in() -> types.ModuleType:
    """fwd and bwd as mamba-ssm's selective_scan_cuda has them; it knows one direction only."""
    module = types.ModuleType("selective_scan_cuda")

    def arguments(u, delta, A, B, C, D, bias, softplus):
        for tensor in (u, delta, A, B, C):
            assert tensor.is_contiguous()
        return ScanArgs(u, delta, A, B, C, D, bias, softplus, False)

    def fwd(u, delta, A, B, C, D, z, bias, softplus):
        assert z is None
        return reference.scan(arguments(u, delta, A, B, C, D, bias, softplus)), u.new_ones(1)

    def bwd(u, delta, A, B, C, D, z, bias, dout, states, out, dz, softplus, recompute):
        assert states.item() == 1
        assert dout.is_contiguous()
        inputs = [item.detach().requires_grad_() for item in (u, delta, A, B, C)]
        more = [None if item is None else item.detach().requires_grad_() for item in (D, bias)]
        with torch.enable_grad():
            y = reference.scan(arguments(*inputs, *more, softplus))
            present = [item for item in (*inputs, *more) if item is not None]
            grads = iter(torch.autograd.grad(y, present, dout))
        return [next(grads) if item is not None else None for item in (*inputs, *more)]

    module.fwd, module.bwd = fwd, bwd
    return module


@pytest.fixture
def kernels(monkeypatch):
    from segkit_kernels import mamba_backend

    monkeypatch.setitem(sys.modules, "selective_scan_cuda", stand_in())
    monkeypatch.setitem(sys.modules, "causal_conv1d", None)  # not installed
    return mamba_backend.make()


def case(reverse: bool, extras: bool) -> ScanArgs:
    torch.manual_seed(0)
    D, bias = (torch.randn(4), torch.randn(4)) if extras else (None, None)
    u, delta = torch.randn(2, 4, 9), torch.randn(2, 4, 9)
    B, C = torch.randn(2, 2, 3, 9), torch.randn(2, 2, 3, 9)
    return scan_args(u, delta, -torch.rand(4, 3), B, C, D, bias, True, reverse)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("extras", [False, True])
def test_value_and_gradients(kernels, reverse, extras):
    args = case(reverse, extras)
    dy = torch.randn(2, 4, 9)
    leaves = [None if x is None else x.clone().requires_grad_() for x in args[:7]]
    y = reference.scan(ScanArgs._make([*leaves, *args[7:]]))
    present = [leaf for leaf in leaves if leaf is not None]
    expected = iter(torch.autograd.grad(y, present, dy))
    got, carry = kernels.scan(args)
    assert torch.allclose(got, y, atol=1e-6)
    assert carry.isnan().all()
    for leaf, grad in zip(leaves, kernels.scan_backward(args, carry, dy), strict=True):
        if leaf is None:
            assert grad.numel() == 0
        else:
            assert torch.allclose(grad, next(expected), atol=1e-5)


def test_without_causal_conv1d_torch_does_the_convolution(kernels):
    x = torch.zeros(1, 2, 3)
    assert kernels.causal_conv1d(x, torch.zeros(2, 1, 4), torch.zeros(2)) is None


def test_a_missing_package_is_named():
    from segkit_kernels import mamba_backend

    with pytest.raises(ImportError, match="selective_scan_cuda"):
        mamba_backend.make()
