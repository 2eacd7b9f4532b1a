"""The scan as a torch operator: gradcheck, opcheck, compile, export, autocast, FLOPs, shapes."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segkit import ops
from segkit.errors import UsageError
from segkit.ops import flops


def scan_inputs(dtype=torch.float64, length=9, groups=2, grad=True):
    torch.manual_seed(0)
    batch, channels, state = 2, 4, 3
    tensors = (
        torch.randn(batch, channels, length),
        torch.randn(batch, channels, length),
        -torch.rand(channels, state) - 0.1,
        torch.randn(batch, groups, state, length),
        torch.randn(batch, groups, state, length),
        torch.randn(channels),
        torch.randn(channels),
    )
    return tuple(tensor.to(dtype).requires_grad_(grad) for tensor in tensors)


def ss2d_inputs(dtype=torch.float64, height=3, width=4, grad=True):
    torch.manual_seed(0)
    channels, state, rank = 4, 3, 2
    tensors = (
        torch.randn(2, height, width, channels),
        torch.randn(4, rank + 2 * state, channels),
        torch.randn(4, channels, rank),
        torch.randn(4, channels),
        -torch.rand(4 * channels, state) - 0.1,
        torch.randn(4 * channels),
    )
    return tuple(tensor.to(dtype).requires_grad_(grad) for tensor in tensors)


def scan(u, delta, A, B, C, D, bias):
    return ops.selective_scan(u, delta, A, B, C, D, None, bias, True)


def test_gradcheck():
    assert torch.autograd.gradcheck(scan, scan_inputs(length=5), fast_mode=True)
    gate = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    u, delta, A, B, C, D, bias = scan_inputs(length=5)

    def gated(z, u):
        return ops.selective_scan(u, delta, A, B, C, D, z, bias, True, reverse=True)

    assert torch.autograd.gradcheck(gated, (gate, u), fast_mode=True)


def test_gradcheck_across_chunks():
    """More than one chunk of 64 steps: the carried states take part."""
    u, delta, A, B, C, D, bias = scan_inputs(length=130, groups=1)
    few = [item[:1, :2] if item.ndim == 3 else item for item in (u, delta)]
    args = (few[0], few[1], A[:2], B[:1], C[:1], D[:2], bias[:2])
    leaves = tuple(item.detach().requires_grad_() for item in args)
    assert torch.autograd.gradcheck(scan, leaves, fast_mode=True)


def test_gradcheck_of_ss2d():
    assert torch.autograd.gradcheck(ops.ss2d, ss2d_inputs(), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reverse", [False, True])
def test_opcheck(dtype, reverse):
    inputs = scan_inputs(dtype)
    torch.library.opcheck(torch.ops.segkit.selective_scan.default, (*inputs, True, reverse))
    bare = (*inputs[:5], None, None, False, reverse)
    torch.library.opcheck(torch.ops.segkit.selective_scan.default, bare)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck_of_ss2d(dtype):
    torch.library.opcheck(torch.ops.segkit.ss2d.default, ss2d_inputs(dtype))


@pytest.mark.parametrize("dynamic", [None, True])
def test_compiled_without_a_graph_break(dynamic):
    compiled = torch.compile(scan, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for length in (9, 70):
        inputs = scan_inputs(torch.float32, length)
        got, expected = compiled(*inputs), scan(*inputs)
        assert torch.equal(got, expected)
        one = torch.autograd.grad(got.sum(), inputs)
        other = torch.autograd.grad(expected.sum(), inputs)
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


class Core(torch.nn.Module):
    def forward(self, *inputs):
        return ops.ss2d(*inputs)


@pytest.mark.parametrize("backend", [None, "export"])
def test_torch_export_with_any_height_and_width(backend):
    inputs = ss2d_inputs(torch.float32, 6, 7, grad=False)
    height, width = (torch.export.Dim(name, min=2, max=512) for name in ("height", "width"))
    shapes = {"inputs": ({1: height, 2: width}, None, None, None, None, None)}
    with ops.using_backend(backend), torch.no_grad():
        program = torch.export.export(Core(), inputs, dynamic_shapes=shapes)
    kinds = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert any(("segkit.ss2d" if backend is None else "scan") in kind for kind in kinds)
    for size in ((6, 7), (9, 20)):
        other = ss2d_inputs(torch.float32, *size, grad=False)
        got = program.module()(*other)
        assert torch.allclose(got, ops.ss2d(*other), atol=1e-5)


def test_autocast_does_not_reach_inside():
    inputs = scan_inputs(torch.float32, 70)
    maps = ss2d_inputs(torch.float32, 9, 8)
    expected = scan(*inputs), ops.ss2d(*maps)
    for backend in ops.available_backends("cpu"):
        with ops.using_backend(backend), torch.autocast("cpu", torch.bfloat16):
            got = scan(*inputs), ops.ss2d(*maps)
        if backend in ("reference", "export"):  # plain torch: its matrix products are autocast's
            continue
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == torch.float32
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_flops_are_counted():
    inputs, maps = scan_inputs(torch.float32), ss2d_inputs(torch.float32)
    with FlopCounterMode(display=False) as counter:
        scan(*inputs)
    updates = 2 * 4 * 9 * 3
    assert counter.get_total_flops() == 9 * updates + updates // 3
    with FlopCounterMode(display=False) as counter:
        ops.ss2d(*maps)
    updates, macs = 2 * 12 * 16 * 3, 2 * 12 * 16 * (2 + 6 + 2)
    assert counter.get_total_flops() == 2 * macs + 9 * updates + updates // 3
    assert flops.ss2d_updates(maps[0].shape, maps[4].shape) == updates


def test_mamba_shapes():
    """B as (B, N, L) is one group; as (D, N) it does not change along the sequence."""
    u, delta, A, B, C, *_ = scan_inputs(groups=1)
    flat = ops.selective_scan(u, delta.abs(), A, B[:, 0], C[:, 0])
    assert torch.equal(flat, ops.selective_scan(u, delta.abs(), A, B, C))
    fixed = torch.randn(4, 3, dtype=torch.float64)
    spread = fixed[None, :, :, None].expand(2, 4, 3, 9)
    assert torch.equal(
        ops.selective_scan(u, delta.abs(), A, fixed, C),
        ops.selective_scan(u, delta.abs(), A, spread, C.repeat(1, 4, 1, 1)),
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("u and delta", {1: torch.zeros(2, 4, 8)}),
        ("A", {2: torch.zeros(5, 3)}),
        ("B", {3: torch.zeros(2, 3, 3, 9)}),  # three groups do not divide four channels
        ("C", {4: torch.zeros(2, 2, 4, 9)}),
        ("D", {5: torch.zeros(3)}),
        ("delta_bias", {6: torch.zeros(3)}),
    ],
)
def test_a_wrong_shape_is_named(name, change):
    inputs = list(scan_inputs(torch.float32, grad=False))
    for index, tensor in change.items():
        inputs[index] = tensor
    with pytest.raises(UsageError, match=f"^{name} of the selective scan"):
        scan(*inputs)


def test_ss2d_names_a_wrong_shape():
    inputs = list(ss2d_inputs(torch.float32, grad=False))
    inputs[1] = inputs[1][:, :-1]
    with pytest.raises(UsageError, match="x_proj_weight"):
        ops.ss2d(*inputs)


def test_backward_makes_no_zeros_for_the_kept_states():
    """Autograd would fill a tensor of their size, and leave torch's threads spinning."""
    u, delta = torch.randn(1, 8, 640, requires_grad=True), torch.rand(1, 8, 640)
    B = torch.randn(1, 16, 640)
    y = ops.selective_scan(u, delta, -torch.rand(8, 16), B, B)
    weight, states = torch.ones_like(y), 8 * 10 * 16
    with torch.profiler.profile(record_shapes=True) as profile:
        torch.autograd.grad(y, u, weight)
    filled = [event.input_shapes for event in profile.events() if event.name == "aten::zero_"]
    assert [[states]] not in filled
