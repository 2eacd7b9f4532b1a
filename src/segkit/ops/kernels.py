"""What a backend offers to `segkit.ops`. A plugin's `make()` returns an object of a subclass.

A backend must scan; SS2D comes from two scans unless it brings a fused core. `direct` backends are
plain differentiable torch, called outside the custom operators: for tests and for tracing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops import directions, products
from segkit.ops.arguments import ScanArgs, ScanGrads, SS2DArgs, SS2DGrads


class ScanKernels:
    """The kernels of one backend. Inputs are float32 or float64, any strides; sizes may be zero."""

    direct = False
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
    max_state = 1 << 30

    def refuses(self, dtype: torch.dtype, state: int) -> str | None:
        """Why this backend cannot take a scan of this type and state size; None if it can."""
        if dtype not in self.dtypes:
            return f"it has no {str(dtype).removeprefix('torch.')} kernel"
        if state > self.max_state:
            return f"its state is at most {self.max_state}, this scan has N = {state}"
        return None

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        """y (B, D, L) and the state before each chunk, see `arguments.carry_shape`."""
        raise TypeError(f"{type(self).__name__} does not define scan")

    def scan_backward(self, args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
        """The gradients of `scan`."""
        raise TypeError(f"{type(self).__name__} does not define scan_backward")

    def ss2d(self, args: SS2DArgs) -> tuple[Tensor, Tensor]:
        """The merged map (B, H, W, D) and the kept states, see `arguments.ss2d_carry_shape`."""
        multiply = torch.matmul if self.direct else products.multiply
        return directions.forward(args, self.scan, multiply)

    def ss2d_backward(self, args: SS2DArgs, carry: Tensor, dy: Tensor) -> SS2DGrads:
        """The gradients of `ss2d`."""
        return directions.backward(args, carry, dy, self.scan_backward)

    def causal_conv1d(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        """SiLU of the causal depthwise convolution of x (B, D, L); None: this backend has none."""
        return None
