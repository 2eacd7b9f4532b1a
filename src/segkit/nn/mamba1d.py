"""The plain Mamba block (Gu and Dao 2023) on token sequences, with mamba-ssm's parameter names."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segkit.nn.ss2d import init_decay, init_step_bias
from segkit.ops import causal_conv1d, selective_scan


class Mamba1d(nn.Module):
    """Causal convolution, selective scan, gate: (B, L, C) to the same shape."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
    ):
        super().__init__()
        inner = expand * d_model
        self.rank = math.ceil(d_model / 16) if dt_rank is None else dt_rank
        self.state = d_state
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, d_conv, padding=d_conv - 1, groups=inner)
        self.x_proj = nn.Linear(inner, self.rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, d_state))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """The published initialisation of steps and decays."""
        bound = self.rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        init_step_bias(self.dt_proj.bias)
        init_decay(self.A_log)

    def forward(self, tokens: Tensor) -> Tensor:
        x, z = self.in_proj(tokens).transpose(1, 2).chunk(2, dim=1)  # each (B, D, L)
        x = causal_conv1d(x, self.conv1d.weight, self.conv1d.bias)
        low, B, C = self.x_proj(x.transpose(1, 2)).split([self.rank, self.state, self.state], -1)
        delta = (low @ self.dt_proj.weight.t()).transpose(1, 2)  # its bias joins inside the scan
        A = -torch.exp(self.A_log)
        y = selective_scan(
            x, delta, A, B.transpose(1, 2), C.transpose(1, 2), self.D, z, self.dt_proj.bias, True
        )
        return self.out_proj(y.transpose(1, 2))
