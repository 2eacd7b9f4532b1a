"""A whole Mamba network on segkit's kernels and on the plain loops, on a CPU.

    python benchmarks/mamba_net.py                # dermomamba: eval batch 1, step batch 2
    python benchmarks/mamba_net.py --arch vmpanet --size 256,256 --skip-loop

"loop" is the network on the reference backend of `segkit.ops`, "no_scan" the network with its scan
replaced by its input: what is left to gain. Process CPU time, one thread, parity first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from unittest import mock

import torch
from rows import row

import segkit
from segkit import ops
from segkit.nn import ss2d as blocks


def evaluate(network, image) -> torch.Tensor:
    """One image through the network in eval mode."""
    network.eval()
    with torch.no_grad():
        return network(image)


def step(network, image) -> torch.Tensor:
    """Forward, loss and backward in train mode."""
    network.train()
    network.zero_grad()
    loss = network(image).square().mean()
    loss.backward()
    return loss.detach()


def timed(action, network, image, backend: str | None) -> tuple[float, torch.Tensor]:
    """Milliseconds of process CPU time, and the outcome."""
    start = time.process_time()
    if backend == "no_scan":
        with mock.patch.object(blocks, "ss2d", lambda x, *weights: x):
            outcome = action(network, image)
    else:
        with ops.using_backend(backend):
            outcome = action(network, image)
    return (time.process_time() - start) * 1e3, outcome


def check(found: torch.Tensor, expected: torch.Tensor, label: str) -> None:
    """Whatever is compared in time computes the same."""
    assert torch.allclose(found, expected, rtol=1e-2, atol=1e-3), label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="dermomamba")
    parser.add_argument("--size", default="192,256", help="H,W")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--loop-rounds", type=int, default=1, help="the loops take a minute a round"
    )
    parser.add_argument("--skip-loop", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    height, width = (int(item) for item in options.size.split(","))
    network = segkit.create(options.arch)
    names = [name for name in ("native", "torch") if name in ops.available_backends("cpu")]
    report: dict = {"architecture": options.arch, "torch": torch.__version__, "threads": 1}
    for label, action, batch in (("eval", evaluate, 1), ("step", step, 2)):
        image = torch.rand(batch, 3, height, width)
        outcomes = []
        for name in names:
            with ops.using_backend(name):
                outcomes.append(action(network, image))
        check(outcomes[0], outcomes[-1], label)
        times: dict[str, list[float]] = {name: [] for name in (*names, "no_scan")}
        for _ in range(options.rounds):
            for name in times:
                times[name].append(timed(action, network, image, name)[0])
        if not options.skip_loop:
            times["loop"] = []
            for _ in range(options.loop_rounds):
                spent, outcome = timed(action, network, image, "reference")
                check(outcome, outcomes[0], f"{label}, loop")
                times["loop"].append(spent)
        medians = {name: statistics.median(values) for name, values in times.items()}
        report[label] = {"batch": batch, "ms": medians}
        if "loop" in medians:
            report[label]["ratio"] = {k: medians["loop"] / v for k, v in medians.items()}
            for name in names:
                what = f"{options.arch} {height}×{width}, {label}, batch {batch}, {name}"
                row(what, medians[name], "plain loops", medians["loop"], "ms CPU")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
