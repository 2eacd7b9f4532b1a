"""The C scans on two threads against one: wall clock, beside what the machine itself gives.

    python benchmarks/scaling.py                      # (8, 96, 4096) and SS2D (2, 128, 64, 64)
    python benchmarks/scaling.py --scan 2,96,4096 --rounds 60

A machine's two cores are not always two: they may be threads of one, or others may be busy. So the
same rounds time one C loop in one thread and two independent ones in two threads.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import scan
import ss2d
import torch
from rows import row

from segkit import native
from segkit_kernels.native_backend import Product


def timed(action: Callable[[], object]) -> float:
    """Wall milliseconds."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


class Loop:
    """A product of small matrices in C, which stays in the caches of one core."""

    def __init__(self) -> None:
        tensors = {
            "a": torch.randn(4096, 64),
            "w": torch.randn(64, 32),
            "out": torch.empty(4096, 32),
        }
        self.problem = Product.of(tensors, rows=4096, inner=64, cols=32, padded=32, add=0)
        self.kernel = native.function("segkit_product")

    def __call__(self) -> None:
        for _ in range(8):
            self.kernel(ctypes.byref(self.problem), ctypes.byref(ctypes.c_int64(0)))


def scaling(step: Callable[[], object], rounds: int) -> dict[str, float]:
    """The best round of one and of two threads, interleaved, and the same for two free loops."""
    pool, mine, other = ThreadPoolExecutor(1), Loop(), Loop()

    def together() -> None:
        future = pool.submit(other)
        mine()
        future.result()

    times: dict[str, list[float]] = {"1": [], "2": [], "one loop": [], "two loops": []}
    for _ in range(rounds + 1):
        for threads in ("1", "2"):
            torch.set_num_threads(int(threads))
            times[threads].append(timed(step))
        times["one loop"].append(timed(mine))
        times["two loops"].append(timed(together))
    best = {name: min(values[1:]) for name, values in times.items()}  # the first round warms up
    return {
        "threads_1_ms": best["1"],
        "threads_2_ms": best["2"],
        "machine_ratio": 2 * best["one loop"] / best["two loops"],
    }


def steps(sequences: list[int], maps: list[int]) -> dict[str, Callable[[], object]]:
    """What is timed, by its name."""
    tensors = scan.inputs((sequences[0], sequences[1], sequences[2]), 1, 16, "cpu")
    images = ss2d.inputs((maps[0], maps[1], maps[2], maps[3]), "cpu")
    run, core = scan.ours("native"), ss2d.ours("native")
    return {
        f"scan {tuple(sequences)}, forward": lambda: scan.both(run, tensors, False),
        f"scan {tuple(sequences)}, with backward": lambda: scan.both(run, tensors, True),
        f"SS2D {tuple(maps)}, with backward": lambda: scan.both(core, images, True),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan", default="8,96,4096", help="batch,channels,length")
    parser.add_argument("--ss2d", default="2,128,64,64", help="batch,channels,H,W")
    parser.add_argument("--rounds", type=int, default=25)
    asked = parser.parse_args()
    shapes = ([int(n) for n in text.split(",")] for text in (asked.scan, asked.ss2d))
    for name, step in steps(*shapes).items():
        found = scaling(step, asked.rounds)
        one, two, ceiling = (found[k] for k in ("threads_1_ms", "threads_2_ms", "machine_ratio"))
        print(f"{name}: {one:.2f} ms, {two:.2f} ms on two threads: {one / two:.2f}x", end="")
        print(f"; two free C loops on this machine: {ceiling:.2f}x")
        row(f"{name}, two threads", two, "one thread", one, "ms wall")


if __name__ == "__main__":
    main()
