"""ONNX Runtime Web inside the wheel: the loader and the WebAssembly of its npm package.

`python -m segkit_export.web_runtime 1.30.0` fetches a version with `npm pack` and replaces them.
"""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

VERSION = "1.30.0"
FOLDER = Path(__file__).parent / "web" / "runtime"
LOADER = "ort.wasm.bundle.min.mjs"
WASM = "ort-wasm-simd-threaded.wasm"
SOURCE_MAP = b"//# sourceMappingURL="


def loader() -> bytes:
    """The JavaScript module."""
    return (FOLDER / LOADER).read_bytes()


@cache
def wasm_gzip() -> bytes:
    """The WebAssembly, compressed the way a browser can undo."""
    return gzip.compress(lzma.decompress((FOLDER / f"{WASM}.xz").read_bytes()), 9, mtime=0)


def licence() -> str:
    """Where the two come from, and their licence."""
    return (FOLDER / "LICENSE.txt").read_text(encoding="utf-8")


def vendor(version: str, folder: Path = FOLDER) -> None:
    """Take loader and WebAssembly out of the npm package `onnxruntime-web`."""
    with tempfile.TemporaryDirectory() as work:
        command = ["npm", "pack", "--silent", f"onnxruntime-web@{version}"]
        name = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True).stdout
        with tarfile.open(Path(work) / name.strip()) as archive:
            script = _member(archive, LOADER)
            wasm = _member(archive, WASM)
    lines = [line for line in script.split(b"\n") if not line.startswith(SOURCE_MAP)]
    (folder / LOADER).write_bytes(b"\n".join(lines))
    (folder / f"{WASM}.xz").write_bytes(lzma.compress(wasm, preset=9 | lzma.PRESET_EXTREME))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(f"package/dist/{name}")
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


if __name__ == "__main__":
    vendor(sys.argv[1])
