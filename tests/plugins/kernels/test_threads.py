"""The bits of value and gradients do not depend on the number of threads, on any fast backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from segkit import native, ops
from segkit.nn import SS2D
from segkit.ops import products

BACKENDS = ["torch"] + (["native"] if native.library() is not None else [])
THREADS = (1, 2, 3, 8)
MAPS = [  # batch, height, width, channels, state, rank
    (1, 17, 15, 40, 8, 2),
    (1, 3, 3331, 7, 5, 2),
    (4, 32, 32, 256, 16, 8),
    (1, 8, 8, 1024, 16, 32),
    (2, 5, 7, 8, 16, 1),
]
SEQUENCES = [  # batch, channels, length, state, groups
    (1, 1, 49153, 1, 1),
    (3, 11, 2003, 16, 1),
    (2, 6, 40001, 16, 2),
]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_gradients(core: Callable[..., Tensor], values: list[Tensor]) -> list[Tensor]:
    """The result and the gradient of every input."""
    leaves = [value.detach().clone().requires_grad_() for value in values]
    y = core(*leaves)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    return [y.detach(), *torch.autograd.grad(y, leaves, weight)]


def differing(core: Callable[..., Tensor], values: list[Tensor], backend: str) -> list[int]:
    """Which results (0: the value, then gradients) are not the same bits for all thread counts."""
    results = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        with ops.using_backend(backend):
            results.append(with_gradients(core, values))
    first = results[0]
    return [i for i in range(len(first)) if not all(torch.equal(first[i], r[i]) for r in results)]


def map_values(batch, height, width, channels, state, rank) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(batch, height, width, channels),
        torch.randn(4, rank + 2 * state, channels) * channels**-0.5,
        torch.randn(4, channels, rank) * rank**-0.5,
        torch.randn(4, channels) - 1,
        -torch.arange(1.0, state + 1).repeat(4 * channels, 1) * 0.5,
        torch.randn(4 * channels),
    ]


def sequence_values(batch, channels, length, state, groups) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(batch, channels, length),
        torch.randn(batch, channels, length) * 0.5,
        -torch.arange(1.0, state + 1).repeat(channels, 1) * 0.5,
        torch.randn(batch, groups, state, length),
        torch.randn(batch, groups, state, length),
        torch.randn(channels),
        torch.randn(channels) * 0.1,
    ]


@pytest.mark.parametrize("shape", MAPS, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_ss2d(backend, shape):
    assert not differing(ops.ss2d, map_values(*shape), backend)


def test_ss2d_in_float64():
    values = [value.double() for value in map_values(1, 17, 15, 40, 8, 2)]
    assert not differing(ops.ss2d, values, "torch")


@pytest.mark.parametrize("shape", SEQUENCES, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_scan(backend, shape):
    def core(u, delta, A, B, C, D, bias):
        return ops.selective_scan(u, delta, A, B, C, D, None, bias, True)

    assert not differing(core, sequence_values(*shape), backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_scan_of_a_module(backend):
    """`SS2D.scan`; what surrounds it (linear layers, convolution, norm) is torch's own."""
    torch.manual_seed(0)
    module = SS2D(24)
    assert not differing(module.scan, [torch.randn(2, 19, 21, 48)], backend)


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 63), (3, 1000), (1, 70_001)])
def test_products_are_those_of_matmul(batch, length):
    torch.manual_seed(0)
    weight, x = torch.randn(2, 5, 7).double(), torch.randn(batch, 2, 7, length).double()
    expected = torch.matmul(weight, x)
    got = products.multiply(weight, x)
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    sums = torch.matmul(got, x.transpose(2, 3)).sum(0)
    assert torch.allclose(products.multiply_over_steps(got, x), sums, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 1001])
def test_total_is_the_sum(count):
    x = torch.randn(3, count, 2).double()
    assert torch.allclose(products.total(x, 1), x.sum(1), rtol=1e-12, atol=1e-12)


def test_softplus_is_torchs():
    x = torch.tensor([-100.0, -20.0, -1.0, 0.0, 1.0, 20.0, 100.0, 1e4]).double()
    expected = torch.nn.functional.softplus(x, threshold=1000)
    assert torch.allclose(products.softplus(x), expected, rtol=1e-14, atol=0)
