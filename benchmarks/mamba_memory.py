"""Peak resident memory of DermoMamba's training step, per backend, each in a process of its own.

python benchmarks/mamba_memory.py [--size 192x256] [--batch 4] [--rounds 2] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import torch
from rows import row

import segkit
from segkit import ops
from segkit.engine.training.objective import make_loss


def train(steps: int, batch: int, height: int, width: int) -> float:
    """The last loss; from the second step on the optimizer holds its state."""
    torch.manual_seed(0)
    network, loss = segkit.create("dermomamba").train(), make_loss("guide_fusion")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    for _ in range(steps):
        image = torch.rand(batch, 3, height, width)
        optimizer.zero_grad()
        value = loss(network(image), (image.mean(1) > 0.5).long())
        value.backward()
        optimizer.step()
    return float(value.detach())


def own_peak() -> float:
    """Peak resident MB (of 2**20 bytes) of this process."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", default="192x256")
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--rounds", type=int, default=2, help="training steps")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", help="measure this backend in this process")
    asked = options.parse_args()
    if asked.only:
        torch.set_num_threads(asked.threads)
        height, width = map(int, asked.size.split("x"))
        with ops.using_backend(asked.only):
            last = train(asked.rounds, asked.batch, height, width)
        print(json.dumps([own_peak(), last]))
        return
    command = [sys.executable, __file__, "--size", asked.size, "--batch", str(asked.batch)]
    command += ["--rounds", str(asked.rounds), "--threads", str(asked.threads), "--only"]
    names = [name for name in ("native", "torch") if name in ops.available_backends()]
    found = {
        name: json.loads(subprocess.run([*command, name], capture_output=True, check=True).stdout)
        for name in names
    }
    peaks = {name: peak for name, (peak, _) in found.items()}
    losses = [loss for _, loss in found.values()]
    assert max(losses) - min(losses) < 1e-2 * abs(losses[0]), f"the losses differ: {losses}"
    if len(peaks) == 2:
        what = f"dermomamba {asked.size}, training step, batch {asked.batch}, peak memory, native"
        row(what, peaks["native"], "without a compiler", peaks["torch"], "MB")
    print(json.dumps({"size": asked.size, "batch": asked.batch, "peak_mb": peaks}))


if __name__ == "__main__":
    main()
