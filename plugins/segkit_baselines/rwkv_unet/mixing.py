"""The two mixers of RWKV-UNet, over tokens (WKV) and over channels; both shift pixels first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.ops import bidirectional_wkv


def shift(x: Tensor) -> Tensor:
    """(B, h, w, C): a quarter of the channels moves right, left, down and up; the rest stays."""
    quarter = x.shape[-1] // 4
    right, left, down, up = x[..., : 4 * quarter].chunk(4, -1)
    return torch.cat(
        [
            F.pad(right[:, :, :-1], (0, 0, 1, 0)),
            F.pad(left[:, :, 1:], (0, 0, 0, 1)),
            F.pad(down[:, :-1], (0, 0, 0, 0, 1, 0)),
            F.pad(up[:, 1:], (0, 0, 0, 0, 0, 1)),
            x[..., 4 * quarter :],
        ],
        -1,
    )


def _shares(width: int) -> nn.Parameter:
    """How much of a pixel itself, not of its neighbours, goes into a projection."""
    return nn.Parameter(torch.full((1, 1, width), 0.5))


class TokenMixer(nn.Module):
    """WKV over all pixels of (B, h, w, C), gated."""

    def __init__(self, width: int):
        super().__init__()
        self.decay, self.first = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.mu_k, self.mu_v, self.mu_r = (_shares(width) for _ in range(3))
        self.key, self.value, self.receptance, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        near = shift(x)
        k = self.key(torch.lerp(near, x, self.mu_k))
        v = self.value(torch.lerp(near, x, self.mu_v))
        gate = self.receptance(torch.lerp(near, x, self.mu_r)).sigmoid()
        y = bidirectional_wkv(self.decay, self.first, k.flatten(1, 2), v.flatten(1, 2))
        return self.output(gate * self.norm(y).view_as(x))


class ChannelMixer(nn.Module):
    """A gated MLP with squared ReLU on (B, h, w, C)."""

    def __init__(self, width: int):
        super().__init__()
        self.mu_k, self.mu_r = (_shares(width) for _ in range(2))
        self.key = nn.Linear(width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width)
        self.value = nn.Linear(2 * width, width, bias=False)
        self.receptance = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        near = shift(x)
        wide = F.relu(self.key(torch.lerp(near, x, self.mu_k))).square()
        gate = self.receptance(torch.lerp(near, x, self.mu_r)).sigmoid()
        return gate * self.value(self.norm(wide))
