"""How much memory pictures may take: known from their headers, before anything is decoded.

A file of some kilobytes may announce gigabytes. The bound is a quarter of the machine unless
`--max-memory` or `SEGKIT_MAX_MEMORY` say otherwise. Stdlib only.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segkit.errors import UsageError

VARIABLE = "SEGKIT_MAX_MEMORY"
LEAST = 64 << 20
MOST = 0.75  # of the bound for one picture: the rest is for those beside it
CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

_chosen: list[int] = []
_large = threading.Lock()


def parse(text: str) -> int:
    """ "4G", "500M" or a number of bytes."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.I)
    value = int(float(match[1]) * (1 << UNITS[match[2].upper()])) if match else 0
    if value < LEAST:
        raise UsageError(
            f"a memory of {text!r} is not understood", "write 4G or 500M, at least 64M"
        )
    return value


def choose(text: str | None) -> None:
    """The bound of this process; None is the usual one."""
    _chosen[:] = [] if text is None else [parse(text)]


def bound() -> int:
    """What may be taken, in bytes."""
    if _chosen:
        return _chosen[0]
    told = os.environ.get(VARIABLE)
    return parse(told) if told else max(LEAST, machine() // 4)


def machine() -> int:
    """The memory of the machine or, where that is less, of the container."""
    found = [_read(path) for path in CGROUPS]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min((value for value in found if value), default=8 << 30)


def _read(path: str) -> int:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # not there, or "max"
        return 0


def held() -> int:
    """The bytes that this process holds now (where only Linux tells: the most that it has held)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return highest()
    return pages * os.sysconf("SC_PAGE_SIZE")


def highest() -> int:
    """The most bytes that this process has held."""
    if sys.platform == "win32":
        return _windows_peak()
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _windows_peak() -> int:
    """PeakWorkingSetSize of PROCESS_MEMORY_COUNTERS: the second field after two 32-bit ones."""
    import ctypes

    counters = (ctypes.c_size_t * 9)()
    windows = ctypes.windll.kernel32  # type: ignore[attr-defined]
    windows.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(windows.GetCurrentProcess())
    size = ctypes.sizeof(counters)
    return int(counters[1]) if windows.K32GetProcessMemoryInfo(process, counters, size) else 0


def check(cost: int, what: str) -> None:
    """Refuse what would take more than one picture may."""
    if cost > MOST * bound():
        raise ValueError(
            f"{what} would take {cost / 1e9:.1f} GB of memory, "
            f"{MOST * bound() / 1e9:.1f} GB are allowed (--max-memory)"
        )


def is_large(cost: int, workers: int) -> bool:
    """Whether a picture is treated while no other large one is."""
    return cost * 4 * workers > bound()


@contextmanager
def alone(cost: int, workers: int) -> Iterator[None]:
    """One large picture at a time; small ones pass."""
    if not is_large(cost, workers):
        yield
        return
    with _large:
        yield
