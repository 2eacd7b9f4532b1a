"""The deterministic fill and inputs under which the baselines' golden numbers were taken."""

import numpy as np
import torch
from torch import nn

import segkit

NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
ONES = ("D", "Ds", "skip_scale", "mix", "k", "gamma1", "gamma2")
# of three dimensions, and filled with one number
SHARES = {"mu_k": 0.5, "mu_v": 0.5, "mu_r": 0.5, "tau1": 1.0, "tau2": 1.0}
HADAMARD = ("params_xy", "params_zx", "params_zy", "complex_weight")


def wave_values(count: int, fan: float) -> torch.Tensor:
    index = np.arange(count, dtype=np.float64)
    return torch.from_numpy(np.sin(0.7 * (index + 1) ** 1.5) / np.sqrt(fan))


@torch.no_grad()
def fill(network: nn.Module, log_decay: bool = False) -> nn.Module:
    """sin(0.7 (i+1)^1.5)/sqrt(fan) in tensors of two and more dimensions; norms 1; the rest 0."""
    network.double()
    for module in network.modules():
        for name, p in module.named_parameters(recurse=False):
            if name == "A_logs" or (name == "A_log" and log_decay):
                p.copy_(torch.arange(1, p.shape[1] + 1, dtype=torch.float64).log().expand_as(p))
            elif name == "dt_projs_bias":
                p.zero_()
            elif name in SHARES:
                p.fill_(SHARES[name])
            elif p.ndim >= 2:
                fan = 1 if name in HADAMARD else p[0].numel()
                p.copy_(wave_values(p.numel(), fan).view_as(p))
            else:
                is_norm = isinstance(module, NORMS) or type(module).__name__ == "ChannelNorm"
                p.fill_(1.0 if name in ONES or (is_norm and name == "weight") else 0.0)
    return network.eval()


def picture(height: int = 64, width: int = 64) -> torch.Tensor:
    c, h, w = np.mgrid[:3, :height, :width].astype(np.float64)
    return torch.from_numpy(0.5 + 0.5 * np.sin(0.05 * h * (c + 1) + 0.08 * w + c))[None]


def wave(channels: int, height: int, width: int) -> torch.Tensor:
    c, h, w = np.mgrid[:channels, :height, :width].astype(np.float64)
    return torch.from_numpy(np.sin(0.3 * c + 0.5 * h - 0.2 * w + 0.1 * c * h))[None]


def filled(name: str, **config) -> nn.Module:
    return fill(segkit.create(name, **config))


def statistics(tensor: torch.Tensor, *places: tuple[int, int]) -> list[float]:
    """Mean, population deviation, and the values of a map at some places."""
    values = [tensor.mean().item(), tensor.std(correction=0).item()]
    return values + [tensor[0, 0, row, column].item() for row, column in places]
