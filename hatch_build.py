"""Build hook: compile src/segkit/native/*.c into the wheel when a C compiler is there.

Without one the wheel is pure Python and everything works, more slowly. `python hatch_build.py`
compiles in place. SEGKIT_NO_NATIVE=1 builds a pure wheel on purpose.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
NATIVE = ROOT / "src" / "segkit" / "native"


def builder() -> ModuleType:
    """src/segkit/native/building.py, without importing segkit (its dependencies are not here)."""
    spec = importlib.util.spec_from_file_location("segkit_native_build", NATIVE / "building.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{NATIVE / 'build.py'} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NativeHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Adds the shared library to the wheel and tags it for this platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build = builder()
        target = NATIVE / build.library_name()
        try:
            if os.environ.get("SEGKIT_NO_NATIVE"):
                raise build.BuildError("SEGKIT_NO_NATIVE is set")
            build.build(target)
        except build.BuildError as error:
            target.unlink(missing_ok=True)  # a stale library must not slip into the wheel
            self.app.display_warning(f"segkit without C kernels (CPU scans are slower): {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"
        build_data["artifacts"].append(f"src/segkit/native/{target.name}")


def platform_tag() -> str:
    """The platform part of the wheel's tag: the library needs the C library only, no Python."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def main() -> int:
    """Compile in place for the development tree."""
    build = builder()
    try:
        print(build.build(NATIVE / build.library_name()))
    except build.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
