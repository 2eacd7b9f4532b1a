"""The selective scan in an ONNX file against the unrolled trace of the loop: load, run, nodes.

    python benchmarks/onnx_scan.py [--length 1024] [--rounds 9]

The peer is what tracing the reference loop gives: a few nodes for every step, for one length only.
Both files answer alike before anything is timed; ONNX Runtime, one thread, process CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from rows import row
from scan import inputs, loop
from torch import Tensor, nn

from segkit import ops
from segkit_export import onnx_scan
from segkit_export.onnx_format import facts

NAMES = ["u", "delta", "A", "B", "C", "D", "bias"]


class Unrolled(nn.Module):
    """The plain loop."""

    def forward(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor,
                bias: Tensor) -> Tensor:  # fmt: skip
        return loop(u, delta, A, B, C, D, bias)


class Scan(nn.Module):
    """segkit's operator."""

    def forward(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor,
                bias: Tensor) -> Tensor:  # fmt: skip
        return ops.selective_scan(u, delta, A, B, C, D, None, bias, True)


def write(tensors: tuple[Tensor, ...], folder: Path) -> dict[str, Path]:
    """Both files."""
    files = {name: folder / f"{name}.onnx" for name in ("segkit", "unrolled")}
    with warnings.catch_warnings(), torch.no_grad(), ops.using_backend("torch"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Scan(), tensors, dynamo=True, input_names=NAMES, verbose=False,
            custom_translation_table=onnx_scan.TRANSLATIONS,
        )  # fmt: skip
        assert program is not None
        program.save(files["segkit"])
        torch.onnx.export(Unrolled(), tensors, files["unrolled"], dynamo=False, input_names=NAMES)
    return files


def session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def timed(action: Callable[[], object]) -> float:
    """Milliseconds of process CPU time."""
    begun = time.process_time()
    action()
    return (time.process_time() - begun) * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--channels", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    shape = (1, asked.channels, asked.length)
    tensors = tuple(item.detach() for item in inputs(shape, 1, 16, "cpu"))
    feed = {name: item.numpy() for name, item in zip(NAMES, tensors, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        files = write(tensors, Path(folder))
        sessions, loads = {}, {name: [] for name in files}
        for name, file in files.items():
            loads[name].append(timed(lambda: sessions.update({name: session(file)})))  # noqa: B023
        loads["segkit"] += [timed(lambda: session(files["segkit"])) for _ in range(asked.rounds)]
        nodes = {name: facts(onnx.load(str(file)))["nodes"] for name, file in files.items()}
    answers = [made.run(None, feed)[0] for made in sessions.values()]
    assert np.abs(answers[0] - answers[1]).max() <= 1e-5 * np.abs(answers[1]).max()
    runs: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(asked.rounds):
        for name, made in sessions.items():
            runs[name].append(timed(lambda: made.run(None, feed)))  # noqa: B023
    print(f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, {shape}, 16 states")
    for what, times in (("load", loads), ("run", runs)):
        ours, theirs = (statistics.median(times[name]) for name in files)
        print(f"{what}: segkit {ours:.2f} ms, unrolled {theirs:.2f} ms, {theirs / ours:.1f}x")
        row(f"ONNX scan {shape}, {what}", ours, "unrolled trace", theirs, "ms CPU")
    print(f"nodes: segkit {nodes['segkit']} for any length, unrolled {nodes['unrolled']}")


if __name__ == "__main__":
    main()
