"""The form that exporters trace: torch's higher-order `scan`, an ONNX Scan for any length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from segkit.ops import ScanArgs, ScanKernels, reference


class ExportKernels(ScanKernels):
    """A few graph nodes whatever the length; the state (B, G, N, D) has the channels innermost."""

    direct = True

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        if (
            not torch.compiler.is_compiling()
        ):  # nothing is traced: the same numbers without a compiler
            return reference.scan(args), args.u.new_empty(0)
        batch, channels, _ = args.u.shape
        groups = args.B.shape[1]
        delta = reference.steps(args)
        A = (
            args.A.unflatten(0, (groups, channels // groups)).transpose(1, 2).contiguous()
        )  # (G, N, D)
        start = args.u.new_zeros(batch, *A.shape)
        steps = tuple(
            m.unflatten(1, (groups, channels // groups))
            .permute(3, 0, 1, 2)
            .contiguous()  # (L, B, G, D)
            for m in (delta, delta * args.u)
        )
        steps += tuple(m.permute(3, 0, 1, 2).contiguous() for m in (args.B, args.C))  # (L, B, G, N)

        def step(state: Tensor, now: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            dt, drive, B, C = now
            state = torch.exp(dt.unsqueeze(2) * A) * state + drive.unsqueeze(2) * B.unsqueeze(3)
            return state, (state * C.unsqueeze(3)).sum(2)

        y = scan(step, start, steps, reverse=args.reverse)[1]
        y = y.permute(1, 2, 3, 0).flatten(1, 2)
        y = y if args.D is None else y + args.D[:, None] * args.u
        return y, start


def make() -> ExportKernels:
    """The kernels of the backend `export`."""
    return ExportKernels()
