"""Compile the C sources of this folder into one shared library. Stdlib only: the hook runs it.

A source whose first line says "lanes" is compiled once per vector width (LANES = 16, 8, 4), the
others once. Nothing here needs a Python or torch header.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-Wall", "-Wextra")
X86 = {16: ("-mavx512f", "-mavx512vl", "-mfma"), 8: ("-mavx2", "-mfma"), 4: ()}


class BuildError(Exception):
    """Why no library came out."""


def library_name() -> str:
    """The file name of the library on this system."""
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    return f"libsegkit{suffix}"


def compiler() -> list[str] | None:
    """The C compiler: `$CC`, else cc, gcc or clang; None if there is none."""
    named = os.environ.get("CC")
    if named:
        words = shlex.split(named)
        return words if shutil.which(words[0]) else None
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    return [found] if found else None


def widths() -> dict[int, tuple[str, ...]]:
    """Vector widths in floats and the flags that they need on this processor family."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return X86 if x86 else {4: ()}


def build(target: Path, extra: tuple[str, ...] = ()) -> Path:
    """Compile every source and link them to `target`, written whole or not at all."""
    tool = compiler()
    if tool is None:
        raise BuildError("no C compiler was found (CC, cc, gcc, clang)")
    with tempfile.TemporaryDirectory(prefix="segkit-build-") as scratch:
        units = [unit for source in sorted(FOLDER.glob("*.c")) for unit in _units(source)]
        objects = [_compile(tool, unit, Path(scratch), extra) for unit in units]
        fresh = Path(scratch) / target.name
        _run([*tool, "-shared", "-o", str(fresh), *objects, *extra, "-lm"])
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy2(fresh, staged)
        staged.replace(target)
    return target


def _units(source: Path) -> list[tuple[Path, str, tuple[str, ...]]]:
    """(source, name of its object, flags)."""
    with source.open(encoding="utf-8") as handle:
        wide = "lanes" in handle.readline()
    if not wide:
        return [(source, source.stem, ())]
    return [
        (source, f"{source.stem}_{width}", (f"-DLANES={width}", *flags))
        for width, flags in widths().items()
    ]


def _compile(
    tool: list[str],
    unit: tuple[Path, str, tuple[str, ...]],
    scratch: Path,
    extra: tuple[str, ...],
) -> str:
    source, name, flags = unit
    target = scratch / f"{name}.o"
    _run([*tool, *FLAGS, *flags, *extra, "-c", str(source), "-o", str(target)])
    return str(target)


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{result.stderr.strip()}")
