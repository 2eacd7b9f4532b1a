"""The native surface kernel, where the C library is there."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np


def reason() -> str:
    """Why the native kernel cannot be used, or an empty text."""
    return "" if _function() is not None else "the C library was not built"


@cache
def _function() -> ctypes._CFuncPtr | None:
    from segkit import native

    library = getattr(native, "library", lambda: None)()
    function = getattr(library, "segkit_surface", None) if library is not None else None
    return function


def directed(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both directions' distances, or None without the library."""
    return None
