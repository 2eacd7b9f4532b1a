"""What a run happened in: versions, device, threads, command; and the trackers of a run."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from segkit import __version__, plugins
from segkit.api import resolve
from segkit.engine import distributed
from segkit.engine.runs import Run
from segkit.errors import MissingExtra

PACKAGES = ("torch", "numpy", "opencv-python-headless", "albumentations", "scipy", "safetensors")


def describe_environment(
    device: torch.device, command: str, plan: dict[str, list[int]], tf32: bool
) -> dict[str, Any]:
    """The content of `environment.json`."""
    return {
        "command": command or " ".join(sys.argv),
        "plan": plan,
        "pid": os.getpid(),
        "host": platform.node(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "segkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "device": device_name(device),
        "processes": distributed.world(),
        "threads": torch.get_num_threads(),
        "tf32": tf32 if device.type == "cuda" else None,
        "backend": _backend(device),
    }


def versions() -> dict[str, str]:
    """What the measured figures depend on."""
    return {
        "segkit": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def same_threads(threads: int | None, device: torch.device) -> None:
    """On a CPU the sums of a run depend on the number of threads: a resumed run keeps its own."""
    if threads and device.type == "cpu":
        torch.set_num_threads(threads)


def device_name(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _backend(device: torch.device) -> str | None:
    """The scan backend that is used on this device."""
    from segkit import ops

    return str(ops.backend_in_use(device))


def open_loggers(names: Sequence[str], run: Run) -> list[Any]:
    """The trackers that were asked for, opened on the run folder."""
    opened = []
    for name in names:
        plugin = plugins.get("loggers", name)
        try:
            opened.append(resolve(plugin.make)(run.path, {"recipe": run.recipe}))
        except ImportError as error:
            raise MissingExtra(error.name or name, plugin.extra, f"--log {name}") from error
    return opened


@contextmanager
def closing_all(trackers: Sequence[Any]) -> Iterator[None]:
    """Close every tracker, however the run ends."""
    try:
        yield
    finally:
        for tracker in trackers:
            tracker.close()
