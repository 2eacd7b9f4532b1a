"""One function, two ways to compute it: as the paper writes it, or in an equal cheaper form.

A network that has a cheaper form of a block (matrices multiplied in another order, a stored table,
a folded normalisation) asks `as_written()` in its forward. Whoever observes the operators one by
one, a counter of multiply-adds above all, sees the formulas as written, so that a count is a
property of the network and not of our tricks; everyone else gets the cheaper form. `force` asks
for one of them whoever looks on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

_forced: ContextVar[bool | None] = ContextVar("as_written", default=None)


def as_written() -> bool:
    """Whether to compute as the paper writes it: forced so, or an operator counter is at work."""
    forced = _forced.get()
    if forced is not None:
        return forced
    if torch.compiler.is_compiling():  # compiled and exported graphs take the cheaper form
        return False
    return _get_current_dispatch_mode() is not None or torch.jit.is_tracing()


@contextmanager
def force(form: Literal["written", "fast"]) -> Iterator[None]:
    """Compute in this form inside the block, whoever looks on."""
    token = _forced.set(form == "written")
    try:
        yield
    finally:
        _forced.reset(token)
