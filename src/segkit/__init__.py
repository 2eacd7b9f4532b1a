"""segkit: light-weight 2-D medical image segmentation, with numbers that can be trusted.

>>> import segkit
>>> network = segkit.create("unet")
>>> predictor = segkit.load("runs/unet-demo")        # doctest: +SKIP
>>> mask, probability = predictor(image)             # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "create", "load", "metrics", "ops", "predict"]

if TYPE_CHECKING:
    from segkit import metrics, ops
    from segkit.build import create
    from segkit.engine.predicting.predictor import load, predict

# name -> module that defines it; resolved on first use so that `import segkit` stays light
_LAZY = {
    "create": "segkit.build",
    "load": "segkit.engine.predicting.predictor",
    "predict": "segkit.engine.predicting.predictor",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in ("metrics", "ops", "nn", "data", "engine", "testing"):
        return importlib.import_module(f"segkit.{name}")
    raise AttributeError(f"module 'segkit' has no attribute {name!r}")
