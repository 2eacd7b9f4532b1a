"""Confusion counts of 100 masks at 256² against scikit-learn, one thread, CPU time, interleaved.

python benchmarks/confusion.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib.metadata import version

import numpy as np
from rows import row
from sklearn.metrics import confusion_matrix

from segkit.metrics.confusion import counts

GOAL = 150


def ours(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """tn, fp, fn, tp per image."""
    found = counts(prediction, truth)
    return np.stack([found.tn, found.fp, found.fn, found.tp], 1)


def theirs(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The same from scikit-learn."""
    tables = [
        confusion_matrix(t.ravel(), p.ravel(), labels=[False, True]).ravel()
        for p, t in zip(prediction, truth, strict=True)
    ]
    return np.stack(tables)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    generator = np.random.default_rng(0)
    prediction, truth = generator.random((2, 100, 256, 256)) < 0.3
    np.testing.assert_array_equal(ours(prediction, truth), theirs(prediction, truth))
    times: dict[str, list[float]] = {"segkit": [], "scikit-learn": []}
    for _ in range(rounds):
        for name, call, repeats in (("segkit", ours, 20), ("scikit-learn", theirs, 1)):
            begun = time.process_time()
            for _ in range(repeats):
                call(prediction, truth)
            times[name].append(1000 * (time.process_time() - begun) / repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["scikit-learn"] / medians["segkit"]
    print(f"numpy {version('numpy')}, scikit-learn {version('scikit-learn')}, 1 thread, CPU time")
    for name, median in medians.items():
        print(f"{name:14} {median:8.2f} ms for 100 masks of 256x256")
    both = medians["segkit"], "scikit-learn", medians["scikit-learn"]
    row("confusion counts, 100 masks of 256²", *both, "ms CPU")
    print(f"ratio {ratio:.0f}x, goal {GOAL}x")


if __name__ == "__main__":
    main()
