"""Which kernels run: plugins of `segkit.backends`, probed by a tiny scan, chosen at call time.

`SEGKIT_BACKEND` or `using_backend(name)` forces one; else the first that works on the device.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from segkit import plugins
from segkit.api import Backend, resolve
from segkit.errors import SegkitError, UsageError, unknown
from segkit.ops.arguments import ScanArgs, SS2DArgs
from segkit.ops.kernels import ScanKernels

log = logging.getLogger("segkit.ops")
VARIABLE = "SEGKIT_BACKEND"
LAST_RESORT = 1000  # backends of this order and above never run unless they are named

_forced: list[
    str
] = []  # innermost `using_backend` last; process-wide, autograd has its own threads


@dataclass(frozen=True)
class Probe:
    """A backend on a device: its kernels, or the reason why not."""

    kernels: ScanKernels | None
    reason: str = ""


@contextmanager
def using_backend(name: str | None) -> Iterator[None]:
    """Force a backend inside the block (for the whole process); None changes nothing."""
    if name is not None:
        _description(name)
        _forced.append(name)
    try:
        yield
    finally:
        if name is not None:
            _forced.pop()


def forced() -> str | None:
    """The backend that is forced, if any."""
    if _forced:
        return _forced[-1]
    return os.environ.get(VARIABLE) or None


def direct_kernels() -> ScanKernels | None:
    """The kernels of a forced backend that runs as plain torch, outside the custom operators."""
    name = forced()
    if name is None or _description(name).order < LAST_RESORT:
        return None
    kernels: ScanKernels = _make(name)
    return kernels if kernels.direct else None


def choose(device: torch.device, dtype: torch.dtype, state: int) -> ScanKernels:
    """The kernels for a scan on `device`."""
    return _choose(forced(), device.type, dtype, state)[1]


@cache
def _choose(
    name: str | None, device: str, dtype: torch.dtype, state: int
) -> tuple[str, ScanKernels]:
    if name is not None:
        return name, _insist(name, device, dtype, state)
    for backend in _by_order():
        kernels = probe(backend.name, device).kernels
        if kernels is not None and kernels.refuses(dtype, state) is None:
            log.info("selective scan on %s: backend %s", device, backend.name)
            return backend.name, kernels
    raise SegkitError(
        f"no backend scans {dtype} on {device}", "none that is installed works", "segkit doctor"
    )


def _insist(name: str, device: str, dtype: torch.dtype, state: int) -> ScanKernels:
    """The named backend or an error that says why not."""
    result = probe(name, device)
    reason = result.reason or (result.kernels and result.kernels.refuses(dtype, state))
    if result.kernels is None or reason:
        cure = _description(name).cure or "segkit doctor shows what works here."
        raise SegkitError(f"backend '{name}' cannot scan on {device}", str(reason), cure)
    return result.kernels


@cache
def probe(name: str, device: str) -> Probe:
    """Run a tiny scan and its backward: importing proves nothing."""
    backend = _description(name)
    if device not in backend.devices and "any" not in backend.devices:
        return Probe(None, f"it runs on {', '.join(backend.devices)}, not on {device}")
    try:
        kernels: ScanKernels = _make(name)
        _try(kernels, torch.device(device))
    except Exception as error:  # a plugin: broken installs fail in every possible way
        return Probe(None, _first_line(error))
    return Probe(kernels)


def _try(kernels: ScanKernels, device: torch.device) -> None:
    from segkit.ops import reference

    dtype = torch.float32
    base = torch.linspace(-1, 1, 2 * 4 * 5, dtype=dtype).to(device)
    u, delta = base.view(2, 4, 5), base.abs().view(2, 4, 5)
    A = -torch.arange(1, 5, dtype=dtype, device=device).expand(4, 4).contiguous()
    B = base.view(2, 1, 4, 5)
    args = ScanArgs(u, delta, A, B, B + 0.5, A[:, 0], A[:, 1], True, False)
    expected = reference.scan(args)
    if kernels.direct:
        y = kernels.scan(args)[0]
    else:
        with torch.no_grad():
            y, carry = kernels.scan(args)
            kernels.scan_backward(args, carry, torch.ones_like(y))
    worst = float((y - expected).abs().max())
    if not worst < 1e-5:
        raise SegkitError("its tiny scan is wrong", f"off by {worst:.1e}")


def _first_line(error: Exception) -> str:
    text = error.as_text() if isinstance(error, SegkitError) else f"{error}"
    lines = text.strip().splitlines() or [""]
    return lines[0] if isinstance(error, SegkitError) else f"{type(error).__name__}: {lines[0]}"


@cache
def _description(name: str) -> Backend:
    if name not in plugins.names("backends"):
        raise unknown("backend", name, plugins.names("backends"))
    value: Backend = plugins.get("backends", name)
    return value


@cache
def _make(name: str) -> Any:
    kernels = resolve(_description(name).make)()
    if not isinstance(kernels, ScanKernels):
        raise UsageError(f"backend '{name}'", "its make() must return a segkit.ops.ScanKernels")
    return kernels


def _by_order() -> list[Backend]:
    """The backends that may be chosen by themselves, best first; a broken plugin is left out."""
    loaded = (status.value for status in plugins.statuses("backends") if status.status == "ok")
    return sorted(
        (item for item in loaded if item.order < LAST_RESORT), key=lambda b: (b.order, b.name)
    )


def available_backends(device: str | torch.device = "cpu") -> list[str]:
    """The backends that work on the device, best first, those for tests and export last."""
    kind = torch.device(device).type
    loaded = [status.value for status in plugins.statuses("backends") if status.status == "ok"]
    loaded.sort(key=lambda backend: (backend.order, backend.name))
    return [backend.name for backend in loaded if probe(backend.name, kind).kernels is not None]


def backend_in_use(
    device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, state: int = 16
) -> str:
    """The name of the backend that a scan on the device would take now."""
    return _choose(forced(), torch.device(device).type, dtype, state)[0]


def backend_statuses() -> list[dict[str, Any]]:
    """One entry per backend: name, status (ok or unavailable), reason, devices, summary, cure."""
    kinds = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if torch.backends.mps.is_available():
        kinds.append("mps")
    return [_status(status, kinds) for status in plugins.statuses("backends")]


def _status(status: plugins.Status, kinds: list[str]) -> dict[str, Any]:
    if status.status != "ok":
        cure = f"It comes from the distribution '{status.distribution}'."
        return {
            "name": status.name, "status": "unavailable", "reason": status.reason,
            "devices": [], "summary": "", "cure": cure,
        }  # fmt: skip
    backend: Backend = status.value
    probes = {kind: probe(backend.name, kind) for kind in kinds}
    works = [kind for kind, result in probes.items() if result.kernels is not None]
    reasons = {result.reason for result in probes.values() if result.reason}
    return {
        "name": backend.name,
        "status": "ok" if works else "unavailable",
        "reason": "" if works else "; ".join(sorted(reasons)),
        "devices": works,
        "summary": backend.summary,
        "cure": "" if works else backend.cure,
    }


def for_scan(args: ScanArgs) -> ScanKernels:
    """The kernels for these arguments."""
    return choose(args.u.device, args.u.dtype, args.A.shape[1])


def for_ss2d(args: SS2DArgs) -> ScanKernels:
    """The kernels for these arguments."""
    return choose(args.x.device, args.x.dtype, args.A.shape[1])


def causal_conv1d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor | None:
    """The convolution by the first backend of the device that has a kernel for it."""
    for backend in _by_order():
        kernels = probe(backend.name, x.device.type).kernels
        y = None if kernels is None else kernels.causal_conv1d(x, weight, bias)
        if y is not None:
            return y
    return None
