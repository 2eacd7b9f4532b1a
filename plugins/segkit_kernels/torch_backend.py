"""The torch forms as backends: the lean two-level scan, and the plain loop for tests."""

from __future__ import annotations

from torch import Tensor

from segkit.ops import ScanArgs, ScanGrads, ScanKernels, reference, twolevel


class TorchKernels(ScanKernels):
    """The two-level scan on any device."""

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        return twolevel.forward(args)

    def scan_backward(self, args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
        return twolevel.backward(args, carry, dy)


class ReferenceKernels(ScanKernels):
    """The definition, differentiated by autograd."""

    direct = True

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        return reference.scan(args), args.u.new_empty(0)


def make() -> TorchKernels:
    """The kernels of the backend `torch`."""
    return TorchKernels()


def make_reference() -> ReferenceKernels:
    """The kernels of the backend `reference`."""
    return ReferenceKernels()
