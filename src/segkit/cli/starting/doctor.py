"""`segkit doctor`: what works on this machine, and how to get the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from typing import Annotated, Any

import typer

from segkit import __version__, paths, plugins
from segkit.cli import _console

CORE = ("torch", "numpy", "scipy", "albumentations", "opencv-python-headless", "medpy", "typer")
COLOURS = {"ok": "green", "off": "yellow", "broken": "red"}


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Python, torch, GPU, every kernel backend (probed by a tiny run), exporters, loggers, disk.

    Example: segkit doctor
    """
    rows = [*_python(), *_packages(), *_devices(), *_backends(), *_formats(), *_disk()]
    if as_json:
        _console.emit_json(rows)
    else:
        _console.table(["", "name", "status", "what it means"], [_cells(row) for row in rows])
    if any(row["status"] == "broken" for row in rows):
        raise typer.Exit(1)


def _cells(row: dict[str, Any]) -> list[Any]:
    status = row["status"]
    return [row["kind"], row["name"], _console.styled(status, COLOURS[status]), row["reason"]]


def _row(kind: str, name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name, "status": status, "reason": reason}


def _python() -> Iterator[dict[str, Any]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = f"{platform.system()} {platform.machine()}, {cores} cores"
    yield _row("program", "segkit", "ok", __version__)
    yield _row("program", "python", "ok", f"{platform.python_version()} on {where}")


def _packages() -> Iterator[dict[str, Any]]:
    for name in CORE:
        try:
            yield _row("package", name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield _row("package", name, "broken", f"missing: pip install {name}")


def _devices() -> Iterator[dict[str, Any]]:
    import torch

    yield _row("device", "cpu", "ok", f"{torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            memory = facts.total_memory / 2**30
            yield _row("device", f"cuda:{index}", "ok", f"{facts.name}, {memory:.0f} GiB")
    else:
        built = "torch is a CPU build" if torch.version.cuda is None else "no GPU is visible"
        yield _row("device", "cuda", "off", f"{built}: everything runs on the CPU")
    if torch.backends.mps.is_available():
        yield _row("device", "mps", "ok", "Apple GPU")


def _backends() -> Iterator[dict[str, Any]]:
    from segkit import ops

    for status in ops.backend_statuses():
        state = "ok" if status["status"] == "ok" else "off"
        devices = ", ".join(status.get("devices", ()))
        yield _row("backend", status["name"], state, status["reason"] or f"works on {devices}")


def _formats() -> Iterator[dict[str, Any]]:
    for group in ("exporters", "loggers"):
        for status in plugins.statuses(group):
            if status.status != "ok":
                yield _row(group.removesuffix("s"), status.name, "broken", status.reason)
                continue
            missing = [name for name in status.value.requires if not _installed(name)]
            hint = f"needs {', '.join(missing)}: pip install 'segkit[{status.value.extra}]'"
            reason = hint if missing else status.value.summary
            yield _row(group.removesuffix("s"), status.name, "off" if missing else "ok", reason)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _disk() -> Iterator[dict[str, Any]]:
    home = paths.home()
    existing = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    writable = os.access(existing, os.W_OK)
    state = "ok" if writable else "broken"
    cure = "" if writable else "; not writable: set SEGKIT_HOME to another folder"
    yield _row("disk", str(home), state, f"{free:.0f} GiB free{cure}")
