"""Networks as segkit runs them against plain eager PyTorch: inference and a training step.

    python benchmarks/step.py [eamnet unet …] [--rounds 9] [--json]

The peer is the same network in NCHW memory with every formula computed literally; parity in float64
is asserted first. One process, in turns, process CPU time. QTSeg has a reference of its own:
qtseg_step.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from rows import row
from torch import Tensor, nn

import segkit
from segkit.engine.training.objective import Objective, Outputs
from segkit.nn.formulas import force
from segkit.recipe import LossRecipe

CASES: dict[str, tuple[Literal["written", "fast"], bool, bool]] = {  # form, channels last, bf16
    "as written": ("written", False, False),
    "segkit": ("fast", True, False),
    "segkit bf16": ("fast", True, True),
}


def autocast(on: bool) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if on else nullcontext()


# the paper's size for EAM-Net; the size and batch of the goal's trial for the small U-Net
SHAPES = {"eamnet": (2, 224, 320), "unet": (8, 256, 256)}


def networks(architecture: str) -> dict[str, nn.Module]:
    """The same weights for every case."""
    made = {}
    for name, (_, channels_last, _) in CASES.items():
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        network = segkit.create(architecture)
        made[name] = network.to(memory_format=layout)  # type: ignore[call-overload]
    return made


def assert_parity(nets: dict[str, nn.Module]) -> None:
    image = torch.randn(1, 3, 64, 80, dtype=torch.float64)
    answers = []
    for name, net in nets.items():
        with force(CASES[name][0]), torch.no_grad():
            answers.append(net.double().eval()(image))
        net.float()
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-9, atol=1e-9)


def forward(name: str, net: nn.Module, image: Tensor) -> Callable[[], None]:
    form, _, half = CASES[name]

    def run() -> None:
        net.eval()
        with force(form), torch.inference_mode(), autocast(half):
            net(image)

    return run


def step(name: str, net: nn.Module, image: Tensor) -> Callable[[], None]:
    form, _, half = CASES[name]
    mask = (torch.rand(image.shape[0], *image.shape[-2:]) > 0.7).long()
    objective = Objective(LossRecipe(), getattr(net, "aux_weights", ()))
    outputs = Outputs(net, objective.deep)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        net.train()
        optimizer.zero_grad(set_to_none=True)
        with force(form):
            with autocast(half):
                answers = outputs(image)
            objective([out.float() for out in answers], mask).backward()
        optimizer.step()

    return run


def timed(cases: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
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


def measure(architecture: str, rounds: int) -> dict[str, object]:
    """Parity, then both kinds of step."""
    batch, height, width = SHAPES.get(architecture, (2, 256, 256))
    nets = networks(architecture)
    assert_parity(nets)
    image = torch.randn(batch, 3, height, width)
    inference = timed({n: forward(n, net, image[:1]) for n, net in nets.items()}, rounds)
    training = timed({n: step(n, net, image) for n, net in nets.items()}, rounds)
    for name in nets:
        if name != "as written":
            for kind, times in (("inference", inference), ("training step", training)):
                what = f"{architecture} {height}×{width}, {kind}, {name}"
                row(what, times[name], "as written", times["as written"], "s CPU")
    return {
        "architecture": architecture,
        "size": [height, width],
        "batch": batch,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "inference_s": inference,
        "training_step_s": training,
        "inference_ratio": {n: t / inference["as written"] for n, t in inference.items()},
        "training_ratio": {n: t / training["as written"] for n, t in training.items()},
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("networks", nargs="*", default=["eamnet", "unet"])
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    for architecture in asked.networks:
        document = measure(architecture, asked.rounds)
        print(json.dumps(document, indent=None if asked.json else 2))


if __name__ == "__main__":
    main()
