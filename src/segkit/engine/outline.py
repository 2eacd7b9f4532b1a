"""A network without numbers: names and shapes on torch's meta device, in a fraction of a second."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from segkit import build

# of tensors and of torch.nn.init alike; the others are made of these
DRAWS = {"normal_", "uniform_", "kaiming_uniform_", "kaiming_normal_", "trunc_normal_"}


class _NoDraws(TorchFunctionMode):
    """Initialisations draw nothing: without numbers, torch loads its compiler for that (1.5 s)."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in DRAWS:
            drawn = args[0] if args else kwargs["tensor"]
            if drawn.is_meta:
                return drawn
        return func(*args, **kwargs)


def outline(name: str, config: Any) -> nn.Module:
    """The network in eval mode on the meta device."""
    with torch.device("meta"), _NoDraws():
        return build.build(name, config).eval()
