"""Operators that a model calls without knowing who computes them: selective scan, SS2D, WKV.

Backends plug in by entry point (`segkit.backends`) over the torch form: `segkit.ops.dispatch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit.ops import flops
from segkit.ops.arguments import CHUNK, ScanArgs, ScanGrads, SS2DArgs, SS2DGrads
from segkit.ops.causal import causal_conv1d
from segkit.ops.dispatch import (
    available_backends,
    backend_in_use,
    backend_statuses,
    using_backend,
)
from segkit.ops.kernels import ScanKernels
from segkit.ops.scan import selective_scan
from segkit.ops.ss2d import ss2d
from segkit.ops.wkv import bidirectional_wkv

if TYPE_CHECKING:
    from segkit.ops.distance import distance_transform

__all__ = [
    "CHUNK",
    "SS2DArgs",
    "SS2DGrads",
    "ScanArgs",
    "ScanGrads",
    "ScanKernels",
    "available_backends",
    "backend_in_use",
    "backend_statuses",
    "bidirectional_wkv",
    "causal_conv1d",
    "distance_transform",
    "flops",
    "selective_scan",
    "ss2d",
    "using_backend",
]


def __getattr__(name: str) -> Any:
    if name == "distance_transform":
        from segkit.ops.distance import distance_transform

        return distance_transform
    raise AttributeError(f"module 'segkit.ops' has no attribute {name!r}")
