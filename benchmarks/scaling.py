"""Wall clock of one thread against two, beside what the machine itself gives.

A machine's two cores are not always two: they may be threads of one, or others may be busy. So the
same rounds time one C loop in one thread and two independent ones in two threads.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

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
        "ratio": best["1"] / best["2"],
        "machine_ratio": 2 * best["one loop"] / best["two loops"],
    }
