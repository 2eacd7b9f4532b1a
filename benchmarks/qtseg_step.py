"""QTSeg against the plain eager reference: process CPU time, interleaved in one process.

python benchmarks/qtseg_step.py [--size 512] [--batch 2] [--rounds 9] [--threads 1] [--json]

Parity is asserted on the same weights and image before anything is timed. Memory is the peak of the
resident set over an idle process, each variant in a process of its own (--memory).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import reference_qtseg as reference
from rows import row

import segkit
from segkit_qtseg import CeDiceConfig
from segkit_qtseg.layout import LAYOUTS
from segkit_qtseg.loss import CeDice

Objective = Callable[[Tensor, Tensor], Tensor]
VARIANTS = ("reference", "segkit", "segkit bf16", "reference bf16")


def networks() -> tuple[nn.Module, nn.Module]:
    """Ours (laid out as the recommended recipe does) and the reference, with the same weights."""
    torch.manual_seed(0)
    ours = segkit.create("qtseg")
    for name, parameter in ours.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.1)
    plain = reference.Reference()
    plain.load_state_dict(LAYOUTS["original"].to_original(ours.state_dict()))
    return ours.to(memory_format=torch.channels_last), plain  # type: ignore[call-overload]


def autocast(on: bool) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if on else nullcontext()


def forward(network: nn.Module, image: Tensor, half: bool) -> Callable[[], object]:
    def run() -> None:
        with torch.inference_mode(), autocast(half):
            network(image)

    network.eval()
    return run


def step(
    network: nn.Module, objective: Objective, batch: int, side: int, half: bool
) -> Callable[[], object]:
    """Forward, loss, backward, AdamW."""
    image, mask = torch.randn(batch, 3, side, side), torch.randint(0, 2, (batch, side, side))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with autocast(half):
            logits = network(image)
        objective(logits.float(), mask).backward()
        optimizer.step()

    return run


def assert_parity(ours: nn.Module, plain: nn.Module, side: int) -> None:
    image = torch.randn(2, 3, side, side)
    with torch.no_grad():
        a, b = ours.eval()(image), plain.eval()(image)
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    a, b = ours.double()(image.double()), plain.double()(image.double())
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    ours.float(), plain.float()


def timed(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median process CPU seconds of each case, in turns."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
    for _ in range(rounds):
        for name, case in cases.items():
            begun = time.process_time()
            case()
            times[name].append(time.process_time() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


def objective_of(name: str) -> Objective:
    return CeDice(CeDiceConfig()) if name.startswith("segkit") else reference.loss


def measure_memory(side: int, batch: int) -> dict[str, float]:
    """Peak resident MB of a training step over the idle process, a process per variant."""
    found = {}
    for name in VARIANTS[:3]:
        words = ["--one", name, "--size", str(side), "--batch", str(batch)]
        command = [sys.executable, __file__, *words]
        found[name] = float(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def peak_kb() -> int:
    """Peak resident memory since this program began (getrusage would carry over the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def one_step_memory(name: str, side: int, batch: int) -> float:
    ours, plain = networks()
    network = ours if name.startswith("segkit") else plain
    idle = peak_kb()
    run = step(network, objective_of(name), batch, side, name.endswith("bf16"))
    run(), run()
    return (peak_kb() - idle) / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--memory", action="store_true")
    options.add_argument("--json", action="store_true")
    options.add_argument("--one", choices=VARIANTS)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.one:
        print(one_step_memory(asked.one, asked.size, asked.batch))
        return
    ours, plain = networks()
    assert_parity(ours, plain, 64)
    pairs = {name: ours if name.startswith("segkit") else plain for name in VARIANTS}
    image = torch.randn(1, 3, asked.size, asked.size)
    inference = timed(
        {n: forward(net, image, n.endswith("bf16")) for n, net in pairs.items()}, asked.rounds
    )
    steps = {
        n: step(net, objective_of(n), asked.batch, asked.size, n.endswith("bf16"))
        for n, net in pairs.items()
    }
    training = timed(steps, asked.rounds)
    document = {
        "size": asked.size,
        "batch": asked.batch,
        "threads": asked.threads,
        "rounds": asked.rounds,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "inference_s": inference,
        "training_step_s": training,
        "inference_ratio": {n: t / inference["reference"] for n, t in inference.items()},
        "training_ratio": {n: t / training["reference"] for n, t in training.items()},
    }
    for name in ("segkit", "segkit bf16"):
        peer = name.replace("segkit", "reference")
        for kind, times in (("inference", inference), ("training step", training)):
            row(f"qtseg {asked.size}², {kind}, {name}", times[name], peer, times[peer], "s CPU")
    if asked.memory:
        document["training_memory_mb"] = measure_memory(asked.size, asked.batch)
    if asked.json:
        print(json.dumps(document, indent=2))
        return
    for key, value in document.items():
        print(f"{key}: {value}" if not isinstance(value, dict) else f"{key}:")
        if isinstance(value, dict):
            for name, figure in value.items():
                print(f"  {name:16} {figure:.3f}")


if __name__ == "__main__":
    main()
