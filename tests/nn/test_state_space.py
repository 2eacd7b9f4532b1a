"""SS2D, VSSBlock and Mamba1d: shapes, parameter counts, names, initialisation, meaning."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from segkit import ops
from segkit.nn import SS2D, Mamba1d, VSSBlock


@pytest.mark.parametrize(
    ("width", "params"),
    [(2, 904), (4, 1856), (6, 2856), (7, 3374), (8, 3904), (12, 6144), (16, 8576), (64, 55808)],
)
def test_ss2d_parameter_count(width, params):
    assert sum(p.numel() for p in SS2D(width).parameters()) == params


@pytest.mark.parametrize(("width", "params"), [(8, 3920), (16, 8608), (24, 14448), (40, 28560)])
def test_vss_block_parameter_count(width, params):
    assert sum(p.numel() for p in VSSBlock(width).parameters()) == params


@pytest.mark.parametrize(("width", "params"), [(6, 900), (8, 1296), (12, 2232), (16, 3360)])
def test_mamba_parameter_count(width, params):
    assert sum(p.numel() for p in Mamba1d(width).parameters()) == params


def test_ss2d_has_the_published_names_and_shapes():
    shapes = {name: tuple(value.shape) for name, value in SS2D(4).state_dict().items()}
    assert shapes == {
        "in_proj.weight": (16, 4),
        "conv2d.weight": (8, 1, 3, 3),
        "conv2d.bias": (8,),
        "x_proj_weight": (4, 33, 8),
        "dt_projs_weight": (4, 8, 1),
        "dt_projs_bias": (4, 8),
        "A_logs": (32, 16),
        "Ds": (32,),
        "out_norm.weight": (8,),
        "out_norm.bias": (8,),
        "out_proj.weight": (4, 8),
    }


def test_initialisation():
    torch.manual_seed(0)
    module = SS2D(32)
    assert torch.allclose(module.A_logs.exp(), torch.arange(1.0, 17).expand_as(module.A_logs))
    assert module.Ds.eq(1).all()
    steps = F.softplus(module.dt_projs_bias)
    assert steps.min() >= 1e-3 * 0.999
    assert steps.max() <= 1e-1 * 1.001
    assert steps.log().std() > 1  # spread over two decades
    assert module.x_proj_weight.abs().max() <= 64**-0.5
    assert module.dt_projs_weight.abs().max() <= 2**-0.5


def test_ss2d_step_by_step():
    """The block equals its formula, written out on the reference backend."""
    torch.manual_seed(0)
    module = SS2D(6).double()
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64)
    a, z = F.linear(x, module.in_proj.weight).split(12, -1)
    a = F.conv2d(a.permute(0, 3, 1, 2), module.conv2d.weight, module.conv2d.bias, 1, 1, 1, 12)
    weights = module.x_proj_weight, module.dt_projs_weight, module.dt_projs_bias
    with ops.using_backend("reference"):
        y = ops.ss2d(F.silu(a).permute(0, 2, 3, 1), *weights, -module.A_logs.exp(), module.Ds)
    y = F.layer_norm(y, (12,), module.out_norm.weight, module.out_norm.bias, 1e-5)
    expected = F.linear(y * F.silu(z), module.out_proj.weight)
    assert torch.allclose(module(x), expected, atol=1e-12)


def test_vss_block_is_residual():
    block = VSSBlock(6)
    x = torch.randn(1, 3, 4, 6)
    normed = F.layer_norm(x, (6,), eps=1e-6)
    assert torch.allclose(block(x), x + block.self_attention(normed), atol=1e-6)
    assert block.ln_1.eps == 1e-6
    assert VSSBlock(6, norm_eps=1e-5).ln_1.eps == 1e-5


def test_mamba_is_causal():
    torch.manual_seed(0)
    module, tokens = Mamba1d(4), torch.randn(1, 20, 4)
    changed = tokens.clone()
    changed[:, 11:] += 1
    before, after = module(tokens), module(changed)
    assert torch.allclose(before[:, :11], after[:, :11], atol=1e-6)
    assert not torch.allclose(before[:, 11], after[:, 11], atol=1e-3)


def test_mamba_token_by_token():
    """The recurrence written out in float64."""
    torch.manual_seed(0)
    module = Mamba1d(4, d_state=3).double()
    tokens = torch.randn(1, 6, 4, dtype=torch.float64)
    x, z = module.in_proj(tokens)[0].split(8, -1)  # (L, D) each
    padded = torch.cat([x.new_zeros(3, 8), x])
    taps = module.conv1d.weight[:, 0]  # (D, 4), the last tap is the current token
    x = torch.stack([(padded[t : t + 4].t() * taps).sum(1) for t in range(6)])
    x = F.silu(x + module.conv1d.bias)
    low, B, C = module.x_proj(x).split([1, 3, 3], -1)
    dt = F.softplus(module.dt_proj(low))
    h, rows = x.new_zeros(8, 3), []
    for t in range(6):
        h = torch.exp(dt[t, :, None] * -module.A_log.exp()) * h + (dt[t] * x[t])[:, None] * B[t]
        rows.append((h * C[t]).sum(1) + module.D * x[t])
    expected = module.out_proj(torch.stack(rows) * F.silu(z))
    assert torch.allclose(module(tokens)[0], expected, atol=1e-12)


@pytest.mark.parametrize(
    "module", [SS2D(4), VSSBlock(4), Mamba1d(4)], ids=lambda m: type(m).__name__
)
def test_every_parameter_learns(module):
    x = torch.randn(2, 5, 6, 4) if not isinstance(module, Mamba1d) else torch.randn(2, 30, 4)
    module(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
