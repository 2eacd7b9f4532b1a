"""The contract of a loss: a finite scalar with a gradient, for one logit and for several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from segkit import plugins
from segkit.api import Loss, resolve
from segkit.errors import SegkitError
from segkit.testing.checks import Check, Outcome, expect, run_checks

CHANNELS = (1, 2, 3)


def check_loss(loss: str | Loss, config: Any = None) -> Iterator[Outcome]:
    """All checks of one loss, with its default config or the one given."""
    value: Loss = plugins.get("losses", loss) if isinstance(loss, str) else loss
    function = resolve(value.make)(config if config is not None else value.config())
    return run_checks(value.name, _checks(value, function))


def _checks(value: Loss, function: Callable[[Tensor, Tensor], Tensor]) -> list[Check]:
    taken = [channels for channels in CHANNELS if _takes(function, channels)]
    return [
        ("it takes one logit, or two or more", lambda: expect(bool(taken), "it takes neither")),
        ("it is finite on ordinary masks", lambda: _finite(function, taken, "random")),
        ("it is finite on empty masks", lambda: _finite(function, taken, "empty")),
        ("it is finite on full masks", lambda: _finite(function, taken, "full")),
        ("a better prediction has a lower loss", lambda: _ordered(function, taken)),
    ]


def _takes(function: Callable[[Tensor, Tensor], Tensor], channels: int) -> bool:
    """Whether the loss accepts this number of channels; it may refuse in words."""
    try:
        function(*_sample(channels, "random"))
    except (ValueError, SegkitError):
        return False
    return True


def _sample(channels: int, kind: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, channels, 17, 23, generator=generator).requires_grad_()
    top = max(channels, 2)
    mask = torch.randint(0, top, (2, 17, 23), generator=generator)
    if kind != "random":
        mask = torch.full_like(mask, top - 1 if kind == "full" else 0)
    return logits, mask


def _finite(function: Callable[[Tensor, Tensor], Tensor], taken: list[int], kind: str) -> None:
    for channels in taken:
        logits, mask = _sample(channels, kind)
        value = function(logits, mask)
        expect(value.ndim == 0, f"it returns a tensor of shape {tuple(value.shape)}")
        expect(bool(value.isfinite()), f"it is {value.item()} with {channels} channel(s)")
        value.backward()
        good = logits.grad is not None and bool(logits.grad.isfinite().all())
        expect(good, f"the gradient is missing or not finite with {channels} channel(s)")


def _ordered(function: Callable[[Tensor, Tensor], Tensor], taken: list[int]) -> None:
    for channels in taken:
        mask = torch.zeros(2, 16, 16, dtype=torch.int64)
        mask[:, 4:12, 5:11] = 1
        sure = torch.stack([(mask == k) * 2.0 - 1 for k in range(channels)], 1) * 6
        right = (mask * 2.0 - 1).unsqueeze(1) * 6 if channels == 1 else sure
        better, worse = function(right, mask).item(), function(-right, mask).item()
        expect(better < worse, f"right {better:.4g}, wrong {worse:.4g} ({channels} channels)")
