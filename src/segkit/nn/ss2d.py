"""SS2D and the visual state-space block (VMamba, Liu et al. 2024; the layout of VM-UNet).

Parameter names are those of the published networks, so that their checkpoints load.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.ops import ss2d

DIRECTIONS = 4


class SS2D(nn.Module):
    """2-D selective scan: (B, H, W, C) to the same shape. Inner width D = expand C, state N."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        expand: int = 2,
        dt_rank: int | None = None,
        d_conv: int = 3,
    ):
        super().__init__()
        inner = expand * d_model
        rank = math.ceil(d_model / 16) if dt_rank is None else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, d_conv, padding=d_conv // 2, groups=inner)
        self.x_proj_weight = nn.Parameter(torch.empty(DIRECTIONS, rank + 2 * d_state, inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(DIRECTIONS, inner, rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(DIRECTIONS, inner))
        self.A_logs = nn.Parameter(torch.empty(DIRECTIONS * inner, d_state))
        self.Ds = nn.Parameter(torch.empty(DIRECTIONS * inner))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """The published initialisation of what no torch layer initialises."""
        bound = self.x_proj_weight.shape[-1] ** -0.5
        nn.init.uniform_(self.x_proj_weight, -bound, bound)
        bound = self.dt_projs_weight.shape[-1] ** -0.5
        nn.init.uniform_(self.dt_projs_weight, -bound, bound)
        init_step_bias(self.dt_projs_bias)
        init_decay(self.A_logs)
        nn.init.ones_(self.Ds)

    def forward(self, x: Tensor) -> Tensor:
        a, z = self.in_proj(x).chunk(2, dim=-1)  # each (B, H, W, D)
        a = F.silu(self.conv2d(a.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        y = self.out_norm(self.scan(a))
        return self.out_proj(y * F.silu(z))

    def scan(self, a: Tensor) -> Tensor:
        """The four directions of a (B, H, W, D), summed."""
        A = -torch.exp(self.A_logs)
        return ss2d(a, self.x_proj_weight, self.dt_projs_weight, self.dt_projs_bias, A, self.Ds)


class VSSBlock(nn.Module):
    """x + SS2D(LayerNorm(x)) on (B, H, W, C), without an MLP."""

    def __init__(self, d_model: int, d_state: int = 16, expand: int = 2, norm_eps: float = 1e-6):
        super().__init__()
        self.ln_1 = nn.LayerNorm(d_model, eps=norm_eps)
        self.self_attention = SS2D(d_model, d_state, expand)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.self_attention(self.ln_1(x))


def init_step_bias(
    bias: Tensor, low: float = 1e-3, high: float = 1e-1, floor: float = 1e-4
) -> None:
    """The inverse softplus of a step size drawn log-uniformly from [low, high]."""
    step = torch.exp(torch.rand_like(bias) * (math.log(high) - math.log(low)) + math.log(low))
    step = step.clamp(min=floor)
    bias.copy_(step + torch.log(-torch.expm1(-step)))


def init_decay(A_log: Tensor) -> None:
    """log(1), log(2), ... along the states."""
    count = A_log.shape[-1]
    A_log.copy_(torch.arange(1, count + 1, dtype=A_log.dtype, device=A_log.device).log())
