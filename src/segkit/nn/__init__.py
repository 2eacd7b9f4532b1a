"""Blocks that two or more architectures share. Each name is imported from its file on first use."""

from __future__ import annotations

import importlib
from typing import Any

# name -> module that defines it
_LAZY = {
    "SS2D": "segkit.nn.ss2d",
    "VSSBlock": "segkit.nn.ss2d",
    "Mamba1d": "segkit.nn.mamba1d",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'segkit.nn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LAZY)
