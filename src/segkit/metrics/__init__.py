"""Metrics on masks, each under its own name: `confusion`, `surface`, `shape`, `objects`,
`calibration`; and what is made of them: `intervals`, `statistics`, `protocols`, `audit`.

>>> import segkit
>>> segkit.metrics.surface.hd95(mask, truth)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = (
    "audit calibration cases confusion intervals objects protocols published shape slices "
    "statistics surface"
)


def __getattr__(name: str) -> Any:
    if name in _MODULES.split():
        return importlib.import_module(f"segkit.metrics.{name}")
    raise AttributeError(f"module 'segkit.metrics' has no attribute {name!r}")
