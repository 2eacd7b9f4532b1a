"""ONNX Runtime against PyTorch eager on the CPU, paired: one process, interleaved, CPU time.

    python benchmarks/export.py unet qtseg vmpanet --rounds 9

A network that scans is timed in eager mode on the backends `torch` and `native`. The others are
timed twice: as segkit runs them, and `as written`, every formula literally as in the paper (for
QTSeg the plain reference): a reader's own PyTorch. Before any timing the file
has passed the parity gate, and all ways give the same logits. Figures are CPU milliseconds of one
picture at the network's own size; the ratio is eager / ONNX Runtime, above 1 where the file is
faster.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import reference_qtseg
import torch
from rows import row

from segkit import ops
from segkit.engine.costs.counting import count
from segkit.engine.exporting.export import export
from segkit.engine.exporting.parity import BOUNDS, drawing
from segkit.engine.exporting.subject import find_subject
from segkit.engine.predicting.onnx_runtime import OnnxSegmenter
from segkit.nn.formulas import force
from segkit_qtseg.layout import LAYOUTS


def main() -> None:
    """Time every network that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--files", type=Path, help="folder of files exported earlier")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, ", end="")
    print(f"{settings.threads} thread(s), {settings.rounds} rounds, {platform.machine()}")
    for name in settings.networks:
        bench(name, settings.rounds, settings.threads, settings.files)


def bench(name: str, rounds: int, threads: int, files: Path | None) -> None:
    """One line per way to run the network."""
    subject = find_subject(name)
    with contextlib.ExitStack() as stack:
        folder = files or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / f"{name}.onnx").is_file():
            export(subject, "onnx", folder)
        segmenter = OnnxSegmenter(folder / f"{name}.onnx", threads=threads)
    images = drawing(np.random.default_rng(0), 1, *subject.size, subject.channels)
    inputs = subject.inputs(images)
    tensor = torch.from_numpy(inputs)
    expected = subject.logits(inputs)
    difference = np.abs(segmenter.logits(inputs) - expected).max()
    bound = BOUNDS["float32"].of_logits(np.abs(expected).max())
    assert difference <= (bound or 0), f"{name}: a logit differs by {difference}"
    scans = count(subject.network, (1, subject.channels, *subject.size)).scan_ops > 0
    ways: dict[str, Callable[[], object]] = {"onnxruntime": lambda: segmenter.logits(inputs)}
    for backend in ("torch", "native") if scans else (None,):
        ways[f"eager {backend or ''}".strip()] = eager(subject.network, tensor, backend)
    if not scans:
        ways["eager as written"] = as_written(name, subject.network, tensor)
        difference = max(
            difference, np.abs(np.asarray(ways["eager as written"]()) - expected).max()
        )
        assert difference <= (bound or 0), f"{name} as written differs by {difference}"
    report(name, subject.size, medians(ways, rounds), float(difference))


def eager(
    network: torch.nn.Module, tensor: torch.Tensor, backend: str | None
) -> Callable[[], object]:
    """The network as it is, in inference mode."""

    def run() -> object:
        with ops.using_backend(backend), torch.inference_mode():
            return network(tensor)

    return run


def as_written(name: str, network: torch.nn.Module, tensor: torch.Tensor) -> Callable[[], Any]:
    """Plain PyTorch with the same weights."""
    if name == "qtseg":
        plain = reference_qtseg.Reference().eval()
        plain.load_state_dict(LAYOUTS["original"].to_original(network.state_dict()))
        network = plain

    def run() -> Any:
        with force("written"), torch.inference_mode():
            return network(tensor)

    return run


def medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each way; the ways take turns."""
    for run in ways.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            begun = time.process_time()
            run()
            times[name].append(1000 * (time.process_time() - begun))
    return {name: statistics.median(values) for name, values in times.items()}


def report(name: str, size: tuple[int, int], found: dict[str, float], difference: float) -> None:
    """Print the medians and the ratios to ONNX Runtime."""
    print(f"{name} {size[0]}x{size[1]} float32, largest difference {difference:.1e}")
    for way, milliseconds in found.items():
        ratio = milliseconds / found["onnxruntime"]
        print(f"  {way:<16} {milliseconds:9.1f} ms   {ratio:5.2f}")
        if way != "onnxruntime":
            what = f"exported {name} {size[0]}×{size[1]} in ONNX Runtime"
            row(what, found["onnxruntime"], way, milliseconds, "ms CPU")


if __name__ == "__main__":
    main()
