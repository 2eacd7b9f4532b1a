"""Run by test_sanitizers.py in a process with ASan preloaded: scans of awkward sizes, no torch.

python sanitized.py LIBRARY
"""

# ruff: noqa: E501  (tables of arrays)
from __future__ import annotations

import ctypes
import sys

import numpy as np


def struct(pointers: str, numbers: str) -> type[ctypes.Structure]:
    fields = [(name, ctypes.c_void_p) for name in pointers.split()]
    fields += [(name, ctypes.c_int64) for name in numbers.split()]
    return type("Struct", (ctypes.Structure,), {"_fields_": fields})


SCAN = struct(
    "u delta A B C D bias y carry dy d_u d_delta d_B d_C d_A d_D d_bias",
    "batch channels length state groups blocks width soft reverse",
)
SS2D = struct(
    "x proj w_dt bias A D planes carry dy d_proj d_w_dt d_bias d_A d_D",
    "batch height width channels state rank blocks block_width",
)
PRODUCT = struct("a w out", "rows inner cols padded add")
OUTER = struct("a b out", "rows m n parts")
ADDING = struct("parts out", "count size share")


def call(library, kernel, kind, arrays, numbers) -> None:
    """Exactly sized heap arrays: one float too far is caught."""
    values = {name: None if a is None else a.ctypes.data for name, a in arrays.items()}
    problem = kind(**values, **numbers)
    counter = ctypes.c_int64(0)
    code = getattr(library, kernel)(ctypes.byref(problem), ctypes.byref(counter))
    assert code == 0, kernel


def floats(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(shape) * scale).astype(np.float32)


def scan(library, lanes, batch, channels, length, state, groups, width, scale=1.0):
    chunks, blocks = -(-length // 64), -(-(channels // groups) // width)
    wide = (batch, channels, length)
    tile, tiles = (batch, groups, state, length), (blocks, batch, groups, state, length)
    arrays = {
        "u": floats(*wide), "delta": floats(*wide, scale=scale), "A": -np.abs(floats(channels, state)),
        "B": floats(*tile), "C": floats(*tile), "D": floats(channels), "bias": floats(channels),
        "y": floats(*wide), "carry": floats(batch, channels, chunks, state), "dy": floats(*wide),
        "d_u": floats(*wide), "d_delta": floats(*wide), "d_B": floats(*tiles), "d_C": floats(*tiles),
        "d_A": np.zeros((batch, channels, state)), "d_D": np.zeros((batch, channels)),
        "d_bias": np.zeros((batch, channels)),
    }  # fmt: skip
    for reverse in (0, 1):
        numbers = {
            "batch": batch, "channels": channels, "length": length, "state": state, "groups": groups,
            "blocks": blocks, "width": width, "soft": 1 - reverse, "reverse": reverse,
        }  # fmt: skip
        call(library, f"segkit_scan_{lanes}", SCAN, arrays, numbers)
        call(library, f"segkit_scan_backward_{lanes}", SCAN, arrays, numbers)
        arrays["D"] = arrays["bias"] = None


def ss2d(library, lanes, batch, height, width, channels, state, rank, block_width):
    length, entry = height * width, rank + 2 * state
    chunks, blocks = -(-length // 64), -(-channels // block_width)
    wide = (batch, length, channels)
    arrays = {
        "x": floats(*wide), "proj": floats(batch, length, 4, entry), "w_dt": floats(4, channels, rank),
        "bias": floats(4, channels), "A": -np.abs(floats(4 * channels, state)),
        "D": floats(4 * channels), "planes": floats(2, *wide),
        "carry": floats(2, batch, 2 * channels, chunks, state), "dy": None,
        "d_proj": floats(blocks, batch, length, 4, entry),
        "d_w_dt": np.zeros((batch, 4, channels, rank)), "d_bias": np.zeros((batch, 4, channels)),
        "d_A": np.zeros((batch, 4 * channels, state)), "d_D": np.zeros((batch, 4 * channels)),
    }  # fmt: skip
    numbers = {
        "batch": batch, "height": height, "width": width, "channels": channels, "state": state,
        "rank": rank, "blocks": blocks, "block_width": block_width,
    }  # fmt: skip
    call(library, f"segkit_ss2d_{lanes}", SS2D, arrays, numbers)
    arrays["dy"] = floats(*wide)
    call(library, f"segkit_ss2d_backward_{lanes}", SS2D, arrays, numbers)


def products(library, lanes, rows, inner, cols):
    padded = -(-cols // 32) * 32
    arrays = {"a": floats(rows, inner), "w": floats(inner, padded), "out": floats(rows, cols)}
    numbers = {"rows": rows, "inner": inner, "cols": cols, "padded": padded, "add": 1}
    call(library, f"segkit_product_{lanes}", PRODUCT, arrays, numbers)
    parts = min(16, -(-rows // 64))
    arrays = {
        "a": floats(rows, inner),
        "b": floats(rows, cols),
        "out": np.zeros((parts, inner, cols)),
    }
    numbers = {"rows": rows, "m": inner, "n": cols, "parts": parts}
    call(library, f"segkit_outer_{lanes}", OUTER, arrays, numbers)


def adding(library, lanes, count, size) -> None:
    arrays = {"parts": floats(count, size), "out": floats(size)}
    numbers = {"count": count, "size": size, "share": 64}
    call(library, f"segkit_add_{lanes}", ADDING, arrays, numbers)
    assert np.allclose(arrays["out"], arrays["parts"].sum(0), atol=1e-5)


def main() -> None:
    library = ctypes.CDLL(sys.argv[1])
    widths = [lanes for lanes in (4, 8, 16) if lanes <= library.segkit_lanes()]
    for lanes in widths:
        for batch, length in ((0, 5), (1, 0), (1, 1), (2, 3), (1, 63), (1, 64), (1, 65), (1, 1001)):
            for channels, state, groups, width in (
                (1, 1, 1, 1),
                (6, 5, 2, 2),
                (20, 16, 1, 16),
                (7, 33, 1, 7),
            ):
                scan(library, lanes, batch, channels, length, state, groups, width)
        scan(library, lanes, 1, 2, 130, 16, 1, 2, scale=1e30)  # huge values
        scan(library, lanes, 1, 1, 200_000, 2, 1, 1)  # a long sequence
        for shape in ((1, 1, 1), (1, 1, 65), (2, 65, 1), (1, 9, 15), (1, 0, 4), (0, 4, 4)):
            for channels, state, rank, block in (
                (1, 1, 1, 1),
                (8, 16, 1, 8),
                (21, 5, 2, 16),
                (70, 17, 3, 64),
            ):
                ss2d(library, lanes, *shape, channels, state, rank, block)
        for rows, inner, cols in ((0, 3, 3), (1, 1, 1), (3, 5, 7), (65, 132, 33), (200, 8, 132)):
            products(library, lanes, rows, inner, cols)
        for count, size in ((1, 1), (3, 0), (5, 63), (2, 64), (4, 1001)):
            adding(library, lanes, count, size)
    print("clean", widths)


if __name__ == "__main__":
    main()
