"""The SS2D core on every backend against the four explicit scans in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from segkit import native, ops
from segkit.ops import reference
from segkit.ops.arguments import scan_args

BACKENDS = ["torch"] + (["native"] if native.library() is not None else [])
SHAPES = [  # batch, height, width, channels, state, rank
    (2, 5, 7, 8, 16, 1),
    (1, 1, 1, 3, 4, 2),
    (2, 8, 8, 20, 16, 2),
    (1, 13, 11, 70, 5, 3),
    (1, 1, 100, 16, 16, 1),
    (1, 64, 3, 16, 33, 1),
    (1, 20, 24, 32, 16, 2),
]


def inputs(batch, height, width, channels, state, rank) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    values = [
        normal(batch, height, width, channels),
        normal(4, rank + 2 * state, channels) * channels**-0.5,
        normal(4, channels, rank),
        normal(4, channels) - 1,
        -torch.arange(1.0, state + 1).repeat(4 * channels, 1) * 0.5,
        normal(4 * channels),
    ]
    return [value.double() for value in values]


def by_definition(x, w_x, w_dt, bias, A, D) -> Tensor:
    """Four sequences, made with permutes and flips, scanned one by one, put back and added."""
    batch, _, _, channels = x.shape
    rank, state = w_dt.shape[2], A.shape[1]
    total = torch.zeros_like(x)
    for k in range(4):
        image = x if k % 2 == 0 else x.transpose(1, 2)
        u = image.reshape(batch, -1, channels).transpose(1, 2)
        u = u.flip(-1) if k >= 2 else u
        low, B, C = torch.einsum("rd,bdl->brl", w_x[k], u).split([rank, state, state], 1)
        delta = torch.einsum("dr,brl->bdl", w_dt[k], low)
        part = slice(k * channels, (k + 1) * channels)
        y = reference.scan(scan_args(u, delta, A[part], B, C, D[part], bias[k], True, False))
        y = (y.flip(-1) if k >= 2 else y).transpose(1, 2).reshape(image.shape)
        total = total + (y if k % 2 == 0 else y.transpose(1, 2))
    return total


def gradients(core, values: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    leaves = [value.to(dtype).requires_grad_() for value in values]
    y = core(*leaves)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)]


def worst(got: list[Tensor], expected: list[Tensor]) -> float:
    pairs = zip(got, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-12)) for a, b in pairs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_ss2d_equals_the_definition(backend, shape):
    values = inputs(*shape)
    expected = gradients(by_definition, values, torch.float64)
    with ops.using_backend(backend):
        assert worst(gradients(ops.ss2d, values, torch.float32), expected) <= 2e-6


@pytest.mark.parametrize("backend", ["torch", "reference", "export"])
def test_ss2d_in_float64(backend):
    values = inputs(2, 7, 10, 6, 4, 2)
    expected = gradients(by_definition, values, torch.float64)
    with ops.using_backend(backend):
        assert worst(gradients(ops.ss2d, values, torch.float64), expected) <= 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch(backend):
    values = [value.float() for value in inputs(1, 4, 4, 6, 4, 1)]
    with ops.using_backend(backend):
        y = ops.ss2d(values[0][:0].requires_grad_(), *values[1:])
        y.sum().backward()
    assert y.shape == (0, 4, 4, 6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_runs_give_identical_bits(backend):
    values = inputs(1, 17, 15, 40, 8, 2)
    with ops.using_backend(backend):
        first, second = (gradients(ops.ss2d, values, torch.float32) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_expanded_gradient(backend):
    """`sum().backward()` hands over a gradient without storage of its own."""
    values = [value.float() for value in inputs(1, 5, 6, 8, 4, 1)]
    grads = []
    for weight in (torch.ones(()).expand(1, 5, 6, 8), torch.ones(1, 5, 6, 8)):
        leaves = [value.clone().requires_grad_() for value in values]
        with ops.using_backend(backend):
            ops.ss2d(*leaves).backward(weight)
        grads.append([leaf.grad for leaf in leaves])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_channels_last_and_strided_maps(backend):
    values = [value.float() for value in inputs(2, 6, 9, 8, 4, 1)]
    x = values[0].permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert not x.is_contiguous()
    with ops.using_backend(backend):
        assert torch.equal(ops.ss2d(x, *values[1:]), ops.ss2d(*values))
