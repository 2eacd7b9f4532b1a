"""mamba-ssm's CUDA scan and causal-conv1d as a backend, for those who have them installed.

Its kernels keep states of their own, so the states that segkit carries from forward to backward are
NaN here and the backward scans once more; its sums use atomics: gradients differ from run to run.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor

from segkit.ops import ScanArgs, ScanGrads, ScanKernels
from segkit.ops.arguments import carry_shape


class MambaKernels(ScanKernels):
    """`selective_scan_cuda` of mamba-ssm."""

    dtypes = (torch.float32,)
    max_state = 256

    def __init__(self, kernels: ModuleType, convolution: ModuleType | None):
        self._kernels = kernels
        self._convolution = convolution

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        carry = args.u.new_full(carry_shape(args), torch.nan)
        if not args.u.numel():
            return torch.zeros_like(args.u), carry
        return turned(self._run(ahead(args))[0], args.reverse), carry

    def scan_backward(self, args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
        none = args.u.new_empty(0)
        if not args.u.numel():
            zeros = [none.clone() if x is None else torch.zeros_like(x) for x in args[:7]]
            return ScanGrads._make(zeros)
        plain = ahead(args)
        states = self._run(plain)[1]
        u, delta, A, B, C, D, bias = plain[:7]
        out = turned(dy, args.reverse).contiguous()
        grads = self._kernels.bwd(
            u, delta, A, B, C, D, None, bias, out, states, None, None, args.softplus, False
        )
        d_u, d_delta, d_A, d_B, d_C, d_D, d_bias = grads[:7]
        d_u, d_delta, d_B, d_C = (turned(x, args.reverse) for x in (d_u, d_delta, d_B, d_C))
        d_D = none if args.D is None else d_D
        return ScanGrads(
            d_u, d_delta, d_A, d_B, d_C, d_D, none.clone() if args.bias is None else d_bias
        )

    def causal_conv1d(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        """causal-conv1d's kernel, which is differentiable and takes two to four taps."""
        if self._convolution is None or weight.shape[-1] not in (2, 3, 4):
            return None
        y: Tensor = self._convolution.causal_conv1d_fn(x, weight.squeeze(1), bias, "silu")
        return y

    def _run(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        """y and mamba-ssm's own states."""
        u, delta, A, B, C, D, bias = args[:7]
        y, states, *_ = self._kernels.fwd(u, delta, A, B, C, D, None, bias, args.softplus)
        return y, states


def turned(x: Tensor, reverse: bool) -> Tensor:
    """The sequence in the order of the kernel, which knows one direction only."""
    return x.flip(-1) if reverse else x


def ahead(args: ScanArgs) -> ScanArgs:
    """The same scan from first to last, on tensors without gaps."""
    solid = [item if item is None else item.contiguous() for item in args[:7]]
    u, delta, B, C = (
        turned(item, args.reverse).contiguous() for item in (args.u, args.delta, args.B, args.C)
    )
    plain = ScanArgs._make([*solid, args.softplus, False])
    return plain._replace(u=u, delta=delta, B=B, C=C)


def make() -> MambaKernels:
    """The kernels of the backend `mamba`; an ImportError says what is missing."""
    kernels = importlib.import_module("selective_scan_cuda")
    try:
        convolution: ModuleType | None = importlib.import_module("causal_conv1d")
    except ImportError:
        convolution = None
    return MambaKernels(kernels, convolution)
