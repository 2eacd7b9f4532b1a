"""HD95 and the five-metric pass against medpy, one thread, CPU time, interleaved.

    python benchmarks/surface.py [--rounds 9] [--json]

Pairs: a lesion-like blob against another outline, nuclei against a shaken copy, 512² and 1024².
Equality to the last bit is asserted on the same masks before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import cv2
import numpy as np
from medpy.metric import binary
from rows import row

from segkit.metrics import distances, kernel, surface
from segkit.metrics.confusion import counts

cv2.setNumThreads(1)
GOALS = {
    ("hd95 native", "nuclei 512"): 30,
    ("hd95 native", "blob 1024"): 100,
    ("five native", "nuclei 512"): 100,
    ("five native", "blob 1024"): 100,
    ("hd95 python", "nuclei 512"): 3.5,
    ("hd95 python", "blob 1024"): 25,
}


def nuclei(side: int, seed: int) -> np.ndarray:
    """Many small ellipses."""
    generator = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    for _ in range(int(60 * (side / 512) ** 2)):
        centre, axes = generator.integers(0, side, 2), generator.integers(6, 16, 2)
        angle = float(generator.integers(0, 180))
        cv2.ellipse(mask, centre.tolist(), axes.tolist(), angle, 0, 360, 1, -1)
    return mask.astype(bool)


def shaken(mask: np.ndarray, seed: int) -> np.ndarray:
    """The mask with a wavering outline."""
    noise = np.random.default_rng(seed).standard_normal(mask.shape).astype(np.float32)
    wave = cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3) + 1.5 * wave > 0.5


def blob(side: int, seed: int) -> np.ndarray:
    """One lesion-like outline."""
    generator = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    phases = 6 * generator.random(2)
    radius = 1 + 0.15 * np.sin(3 * angle + phases[0]) + 0.08 * np.sin(7 * angle + phases[1])
    radius = 0.28 * side * (radius + 0.02 * generator.standard_normal(200))
    x, y = side / 2 + generator.normal(0, 0.02 * side, 2)
    points = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [points.astype(np.int32)], 1)
    return mask.astype(bool)


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The masks of the benchmark."""
    found = {}
    for side in (512, 1024):
        one = nuclei(side, 1)
        found[f"nuclei {side}"] = (one, shaken(one, 3))
        found[f"blob {side}"] = (blob(side, 1), blob(side, 2))
    return found


def five_ours(one: np.ndarray, other: np.ndarray, engine: str) -> list[float]:
    """Dice, IoU, HD, HD95, ASSD."""
    if engine == "native":  # the kernel counts in the same pass
        row = kernel.measure(one[None], other[None], distances.TOLERANCE)[0]
        tp, area_p, area_t = row[:3]
        return [2 * tp / (area_p + area_t), tp / (area_p + area_t - tp), *row[5:8].tolist()]
    found = counts(one, other)
    figures = surface.all_distances(one, other, engine=engine)  # type: ignore[arg-type]
    overlap = [float(found.dice()[0]), float(found.iou()[0])]
    return overlap + [figures[name] for name in ("hd", "hd95", "assd")]


def five_medpy(one: np.ndarray, other: np.ndarray) -> list[float]:
    """The same by five calls of medpy."""
    calls = (binary.dc, binary.jc, binary.hd, binary.hd95, binary.assd)
    return [float(call(one, other)) for call in calls]


def milliseconds(work: Callable[[], object], least: float = 0.02) -> float:
    """CPU milliseconds of one call; short ones are repeated."""
    begun, calls = time.process_time(), 0
    while time.process_time() - begun < least or not calls:
        work()
        calls += 1
    return 1000 * (time.process_time() - begun) / calls


def variants(one: np.ndarray, other: np.ndarray) -> dict[str, Callable[[], object]]:
    """What is timed on a pair."""
    engines = ["python"] if kernel.reason() else ["native", "python"]
    found: dict[str, Callable[[], object]] = {
        "hd95 medpy": lambda: binary.hd95(one, other),
        "five medpy": lambda: five_medpy(one, other),
    }
    for engine in engines:
        found[f"hd95 {engine}"] = lambda e=engine: surface.hd95(one, other, engine=e)  # type: ignore[misc]
        found[f"five {engine}"] = lambda e=engine: five_ours(one, other, e)  # type: ignore[misc]
    return found


def assert_equal(one: np.ndarray, other: np.ndarray) -> None:
    """Every engine gives medpy's numbers: distances to the bit, overlaps to 1e-12."""
    expected = five_medpy(one, other)
    for engine in ["python"] if kernel.reason() else ["native", "python"]:
        found = five_ours(one, other, engine)
        assert found[2:] == expected[2:], (engine, found, expected)
        np.testing.assert_allclose(found[:2], expected[:2], rtol=0, atol=1e-12)


def measure(rounds: int) -> list[dict[str, object]]:
    """Medians per pair and variant, with the ratio to medpy."""
    rows: list[dict[str, object]] = []
    for label, (one, other) in pairs().items():
        assert_equal(one, other)
        work = variants(one, other)
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(rounds):
            for name, call in work.items():
                times[name].append(milliseconds(call))
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, median in medians.items():
            kind, engine = name.split()
            theirs = medians[f"{kind} medpy"]
            ratio = theirs / median
            if engine != "medpy":
                title = "HD95" if kind == "hd95" else "five metrics"
                row(f"{title}, {label}, {engine}", median, "medpy", theirs, "ms CPU")
            goal = GOALS.get((name, label))
            rows.append({"pair": label, "what": name, "ms": median, "ratio": ratio, "goal": goal})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = measure(chosen.rounds)
    names = ("numpy", "scipy", "opencv-python-headless", "MedPy")
    about = {
        "threads": 1,
        "clock": "process CPU time",
        "rounds": chosen.rounds,
        "machine": platform.processor() or platform.machine(),
        "native": kernel.reason() or "yes",
        "versions": {name: version(name) for name in names},
    }
    if chosen.json:
        print(json.dumps({"about": about, "rows": rows}, indent=2))
        return
    print(about)
    for one in rows:
        goal = f"  goal {one['goal']}x" if one["goal"] else ""
        print(f"{one['pair']:12} {one['what']:12} {one['ms']:8.3f} ms  {one['ratio']:7.1f}x{goal}")


if __name__ == "__main__":
    main()
