"""What a picture costs in a mass prediction, step by step, and a million of them on paper.

    OMP_NUM_THREADS=1 python -m benchmarks.mass dermoscopy photos/ --pictures 100
    python -m benchmarks.mass RUN photos/ --macs 0.9e9 --cores 16 --price 3

Reading (decode, resize) and writing (mask at original size, figures, PNG) are measured here with
one thread; they run on the cores of the host wherever the network runs. The network is measured on
the device at hand. For one H100 there is only paper: multiply-adds of the network over the card's
dense bf16 peak times a share that small networks reach, beside reading and writing on its cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from segkit.engine.predicting import outputs
from segkit.engine.predicting.folder import find_pictures
from segkit.engine.predicting.masks import masks_from
from segkit.engine.predicting.opening import open_picture, restore
from segkit.engine.predicting.predictor import load_segmenter
from segkit.engine.predicting.sliding import as_numpy

H100_PEAK = 989e12  # dense bf16 operations a second, SXM, as NVIDIA prints it
SHARE = 0.05  # of the peak; depthwise and thin convolutions wait for memory


def measure(segmenter: Any, files: list[Path], batch: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a picture of each step, round by round."""
    found: dict[str, list[float]] = {"read": [], "network": [], "write": []}
    for _ in range(rounds):
        begun = time.perf_counter()
        opened = [open_picture(file, segmenter.size, segmenter.resize) for file in files]
        found["read"].append(_since(begun, len(files)))
        begun = time.perf_counter()
        answers: list[np.ndarray] = []
        for first in range(0, len(opened), batch):
            small = np.stack([one.small for one in opened[first : first + batch]])
            answers += list(as_numpy(segmenter.probabilities(small)))
        found["network"].append(_since(begun, len(files)))
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for number, (one, answer) in enumerate(zip(opened, answers, strict=True)):
                probability = restore(answer, one.geometry)
                mask = masks_from(probability[None], segmenter.threshold)[0]
                outputs.write_mask(Path(folder) / f"{number}.png", mask, len(segmenter.classes))
                outputs.figures(mask, probability, segmenter.classes)
        found["write"].append(_since(begun, len(files)))
    return found


def _since(begun: float, count: int) -> float:
    return (time.perf_counter() - begun) * 1000 / count


def paper(host_ms: float, macs: float, cores: int, price: float) -> dict[str, float]:
    """Pictures a second of one H100 with its cores, and what a million of them cost."""
    card = H100_PEAK * SHARE / (2 * macs)
    host = cores * 1000 / host_ms
    rate = min(card, host)
    hours = 1e6 / rate / 3600
    return {"card": card, "host": host, "rate": rate, "hours": hours, "price": hours * price}


def main() -> None:
    """Measure, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--macs", type=float, help="of the network, a picture: segkit profile")
    parser.add_argument("--cores", type=int, default=16, help="of the H100's host")
    parser.add_argument("--price", type=float, default=3.0, help="of the card an hour")
    asked = parser.parse_args()
    files = [one.path for one in find_pictures([asked.folder])][: asked.pictures]
    segmenter = load_segmenter(Path(asked.model), device="auto")
    found = measure(segmenter, files, asked.batch, asked.rounds)
    middle = {step: statistics.median(values) for step, values in found.items()}
    for step, values in found.items():
        ends = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{step}: {middle[step]:.2f} ms a picture ({ends}, {asked.rounds} rounds)")
    if asked.macs:
        host = middle["read"] + middle["write"]
        made = paper(host, asked.macs, asked.cores, asked.price)
        card = f"{made['card']:.0f} pictures a second"
        print(f"on paper, one H100 at {SHARE:.0%} of its peak: {card}")
        print(f"its {asked.cores} cores read and write {made['host']:.0f} a second")
        print(f"a million: {made['hours']:.2f} h, {made['price']:.2f} at {asked.price} an hour")


if __name__ == "__main__":
    main()
