"""The native surface kernel: counts and contour distances of pairs of masks in one pass."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

SURFACE_COLUMNS = ("tp", "area_p", "area_t", "edge_p", "edge_t", "hd", "hd95", "assd", "nsd")
MOST_SIDE = 32767  # squared distances must fit 32 bits


def reason() -> str:
    """Why the native kernel cannot be used, or an empty text."""
    from segkit import native

    return "" if _function() is not None else native.reason() or "the library lacks segkit_surface"


@cache
def _function() -> Any:
    from segkit import native

    library = getattr(native, "library", lambda: None)()
    function = getattr(library, "segkit_surface", None) if library is not None else None
    if function is None:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [pointer, pointer, size, size, size, ctypes.c_double, pointer]
    function.restype = ctypes.c_int
    return function


def measure(prediction: np.ndarray, truth: np.ndarray, tolerance: float) -> np.ndarray | None:
    """`SURFACE_COLUMNS` of boolean masks (B, H, W), as (B, 9); None without the library.

    The distances of a pair with an empty mask are 0: the caller has the rule for those.
    """
    function = _function()
    pairs, high, wide = prediction.shape
    if function is None or max(high, wide) > MOST_SIDE:
        return None
    p, t = np.ascontiguousarray(prediction), np.ascontiguousarray(truth)
    out = np.empty((pairs, len(SURFACE_COLUMNS)))
    failed = function(p.ctypes.data, t.ctypes.data, pairs, high, wide, tolerance, out.ctypes.data)
    if failed:
        raise MemoryError("the surface kernel ran out of memory")
    return out
