"""The short causal convolution of a 1-D Mamba block, on a backend's kernel where it has one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from segkit.ops import dispatch


def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """SiLU of the depthwise convolution of x (B, D, L) by weight (D, 1, k), of the past only."""
    if x.device.type == "cuda" and dispatch.direct_kernels() is None:
        fast = dispatch.causal_conv1d(x, weight, bias)
        if fast is not None:
            return fast
    length, taps = x.shape[-1], weight.shape[-1]
    y = F.conv1d(x, weight, bias, padding=taps - 1, groups=x.shape[1])
    return F.silu(y[..., :length])
