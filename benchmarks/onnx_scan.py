"""The scans in an ONNX file: against the unrolled trace of the loop and against the C kernel.

    python benchmarks/onnx_scan.py [--length 1024] [--rounds 9]

The first peer is what tracing the reference loop gives: a few nodes for every step, for one length
only. The second is the native kernel called from torch: with segkit's operator library registered,
the file should cost what the kernel costs. All answer alike before anything is timed; ONNX Runtime,
one thread, process CPU time, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from rows import row
from scan import inputs, loop
from torch import Tensor, nn

from segkit import ops
from segkit.engine.predicting.onnx_runtime import session_options
from segkit_export import onnx_functions, onnx_scan
from segkit_export.onnx_format import OPSET, facts

NAMES = ["u", "delta", "A", "B", "C", "D", "bias"]
MAP_NAMES = ["x", "w_x", "w_dt", "bias", "A", "D"]


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


class Map(nn.Module):
    """The four scans over a map."""

    def forward(self, x: Tensor, w_x: Tensor, w_dt: Tensor, bias: Tensor, A: Tensor,
                D: Tensor) -> Tensor:  # fmt: skip
        return ops.ss2d(x, w_x, w_dt, bias, A, D)


def map_inputs(side: int, channels: int, states: int = 16) -> tuple[Tensor, ...]:
    """A map and the weights of its scans."""
    torch.manual_seed(0)
    rank = -(-channels // 16)
    shapes = [(1, side, side, channels), (4, rank + 2 * states, channels), (4, channels, rank)]
    x, w_x, w_dt = (torch.randn(shape) / shape[-1] ** 0.5 for shape in shapes)
    A = -torch.arange(1.0, states + 1).repeat(4 * channels, 1)
    return x, w_x, w_dt, torch.randn(4, channels) - 2, A, torch.ones(4 * channels)


def save(network: nn.Module, tensors: tuple[Tensor, ...], names: list[str], file: Path) -> Path:
    """The network as segkit exports it."""
    with warnings.catch_warnings(), torch.no_grad(), ops.using_backend("torch"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, tensors, dynamo=True, input_names=names, verbose=False, opset_version=OPSET,
            custom_translation_table=onnx_scan.TRANSLATIONS,
        )  # fmt: skip
    assert program is not None
    onnx.save(onnx_functions.attach(program.model_proto), file)
    return file


def write(tensors: tuple[Tensor, ...], folder: Path) -> dict[str, Path]:
    """Both files."""
    files = {name: folder / f"{name}.onnx" for name in ("segkit", "unrolled")}
    save(Scan(), tensors, NAMES, files["segkit"])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(Unrolled(), tensors, files["unrolled"], dynamo=False, input_names=NAMES)
    return files


def session(file: Path, operators: bool = False) -> onnxruntime.InferenceSession:
    options = session_options(1, operators)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def against_kernel(
    what: str, network: nn.Module, tensors: tuple[Tensor, ...], names: list[str], rounds: int
) -> None:
    """The file with the library, without it, and the kernel called from torch."""
    feed = {name: item.numpy() for name, item in zip(names, tensors, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        file = save(network, tensors, names, Path(folder) / "scan.onnx")
        with_library, without = session(file, True), session(file)

    def kernel() -> Tensor:
        with ops.using_backend("native"), torch.inference_mode():
            return network(*tensors)

    ways: dict[str, Callable[[], Any]] = {
        "with the operators": lambda: with_library.run(None, feed)[0],
        "plain": lambda: without.run(None, feed)[0],
        "kernel": kernel,
    }
    answers = [np.asarray(run()) for run in ways.values()]
    for answer in answers:
        assert np.abs(answer - answers[2]).max() <= 1e-5 * np.abs(answers[2]).max()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            times[name].append(timed(run))
    ours, plain, peer = (statistics.median(times[name]) for name in ways)
    print(
        f"{what}: operators {ours:.2f} ms, plain graph {plain:.2f} ms, kernel {peer:.2f} ms, ",
        end="",
    )
    print(f"speed {peer / ours:.2f} and {peer / plain:.2f} of the kernel's")
    row(f"ONNX {what} with the operators", ours, "native kernel from torch", peer, "ms CPU")
    row(f"ONNX {what}, plain graph", plain, "native kernel from torch", peer, "ms CPU")


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
    against_kernel(f"scan {shape}", Scan(), tensors, NAMES, asked.rounds)
    side = round(asked.length**0.5)
    maps = map_inputs(side, asked.channels)
    against_kernel(f"SS2D {tuple(maps[0].shape)}", Map(), maps, MAP_NAMES, asked.rounds)
    print(f"nodes: segkit {nodes['segkit']} for any length, unrolled {nodes['unrolled']}")


if __name__ == "__main__":
    main()
