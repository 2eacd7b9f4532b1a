"""The C kernels behind ctypes: one shared library for scan and surface distance. Torch-free.

`library()` gives the library or None, `reason()` says why not. `function(name)` picks the variant
for this processor: AVX-512 (16 lanes), AVX2 (8), SSE or NEON (4); `SEGKIT_LANES` forces a narrower
one. `run(...)` spreads tasks over threads: ctypes lets go of the interpreter, so a Python pool is
enough.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from segkit.errors import UsageError
from segkit.native.building import FOLDER, BuildError, build, library_name

ABI = 2  # equal to segkit_abi() in cpu.c; both change when an argument list does
NAMES = {16: "AVX-512", 8: "AVX2", 4: "SSE or NEON"}


def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None; see `reason`."""
    return _load()[0]


def reason() -> str:
    """Why `library()` is None; empty if it is there."""
    return _load()[1]


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get("SEGKIT_NO_NATIVE"):
        return None, "switched off by SEGKIT_NO_NATIVE"
    path = _find()
    if isinstance(path, str):
        return None, path
    try:
        found = ctypes.CDLL(str(path))
        built_for = found.segkit_abi()
    except (OSError, AttributeError) as error:
        return None, f"{path} cannot be loaded: {error}"
    if built_for != ABI:
        return None, f"{path} is from another version (interface {built_for}, needed {ABI})"
    return found, ""


def _find() -> Path | str:
    """The library's file, compiled now if SEGKIT_COMPILE asks for it; else why there is none.

    SEGKIT_LIBRARY names another file: the same kernels built with sanitizers, for example.
    """
    named = os.environ.get("SEGKIT_LIBRARY")
    if named:
        return Path(named) if Path(named).is_file() else f"SEGKIT_LIBRARY: {named} is not here"
    installed = FOLDER / library_name()
    if installed.is_file():
        return installed
    if not os.environ.get("SEGKIT_COMPILE"):
        return "segkit was installed without a C compiler"
    cached = _cache_folder() / library_name()
    try:
        return cached if cached.is_file() else build(cached)
    except BuildError as error:
        return str(error).splitlines()[0]


def _cache_folder() -> Path:
    from segkit.paths import home

    sources = sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return home() / "native" / digest[:16]


@cache
def lanes() -> int:
    """How many floats one vector holds: the widest that this processor has, or `SEGKIT_LANES`."""
    found = library()
    if found is None:
        raise RuntimeError(reason())
    best: int = found.segkit_lanes()
    asked = os.environ.get("SEGKIT_LANES")
    if not asked:
        return best
    if asked not in ("4", "8", "16") or int(asked) > best:
        choices = ", ".join(str(width) for width in (4, 8, 16) if width <= best)
        raise UsageError(f"SEGKIT_LANES is {asked!r}", f"this processor takes {choices}")
    return int(asked)


def has(name: str) -> bool:
    """Whether the library has the kernel `name`."""
    found = library()
    return found is not None and hasattr(found, f"{name}_{lanes()}")


@cache
def function(name: str) -> Any:
    """The kernel `name` in the variant for this processor."""
    found = library()
    if found is None:
        raise RuntimeError(reason())
    return getattr(found, f"{name}_{lanes()}")


def onnx_operators() -> str:
    """The file to register with an ONNX Runtime session, where it holds our operators; else ""."""
    found = library()
    return str(found._name) if found is not None and hasattr(found, "RegisterCustomOps") else ""


def describe_library() -> str:
    """The compiled kernels that run on this machine, in words."""
    return f"C kernels, {NAMES[lanes()]}" if library() is not None else reason()


_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def run(kernel: Callable[..., int], parameters: ctypes.Structure, tasks: int, threads: int) -> None:
    """Call `kernel(&parameters, &counter)` in up to `threads` threads; they draw task numbers.

    Each task writes its own outputs, so the result does not depend on who computes what.
    """
    counter = ctypes.c_int64(0)
    arguments = (ctypes.byref(parameters), ctypes.byref(counter))
    helpers = min(threads, tasks) - 1
    futures = [_workers(helpers).submit(kernel, *arguments) for _ in range(max(helpers, 0))]
    codes = [kernel(*arguments), *(future.result() for future in futures)]
    if any(codes):
        raise MemoryError("the native kernels found no memory for their workspace")


def _workers(count: int) -> ThreadPoolExecutor:
    """A pool of at least `count` threads, kept for the next call."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < count:
            _pool, _pool_size = ThreadPoolExecutor(count, "segkit-native"), count
        return _pool


def _forget_pool() -> None:
    """Drop the thread pool in a forked child, which has none of its parent's threads."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
