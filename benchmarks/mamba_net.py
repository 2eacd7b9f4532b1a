"""DermoMamba whole, on our scan and on plain loops: parity first, interleaved, process CPU time.

    python benchmarks/mamba_net.py                 # 192x256: evaluate one, a training step of two
    python benchmarks/mamba_net.py --size 64x64 --rounds 3
    python benchmarks/mamba_net.py --memory        # peak resident MB of a training step of four

Peers: "loop" is the scan as mamba-ssm's reference writes it (evaluation only: its backward is
quadratic in L); "unbind" the same over unbound views, the fair peer of a training step; "no scan"
the network with the scan left out, which is the limit of what a faster scan can give.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

import segkit
from segkit import ops
from segkit.engine.objective import make_loss
from segkit.ops import directions
from segkit.ops.arguments import ScanArgs, SS2DArgs

Scan = Callable[[ScanArgs], Tensor]


def discretised(args: ScanArgs) -> tuple[Tensor, Tensor, Tensor]:
    """Decay and drive (B, D, L, N) and C (B, D, N, L) of a scan that runs forwards."""
    delta = F.softplus(args.delta + args.bias[:, None])  # type: ignore[index]
    repeat = args.u.shape[1] // args.B.shape[1]
    B, C = (matrix.repeat_interleave(repeat, 1) for matrix in (args.B, args.C))
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, args.A))
    return decay, torch.einsum("bdl,bdnl,bdl->bdln", delta, B, args.u), C


def loop(args: ScanArgs) -> Tensor:
    """One step after the other, by indexing."""
    decay, drive, C = discretised(args)
    h, out = decay.new_zeros(decay[:, :, 0].shape), []
    for t in range(decay.shape[2]):
        h = decay[:, :, t] * h + drive[:, :, t]
        out.append(torch.einsum("bdn,bdn->bd", h, C[:, :, :, t]))
    return torch.stack(out, 2) + args.u * args.D[:, None]  # type: ignore[index]


def unbind(args: ScanArgs) -> Tensor:
    """One step after the other, over views made once."""
    decay, drive, C = discretised(args)
    h, out = decay.new_zeros(decay[:, :, 0].shape), []
    for a, x, c in zip(decay.unbind(2), drive.unbind(2), C.unbind(3), strict=True):
        h = a * h + x
        out.append((h * c).sum(-1))
    return torch.stack(out, 2) + args.u * args.D[:, None]  # type: ignore[index]


def plain_ss2d(scan: Scan) -> Callable[..., Tensor]:
    """SS2D over a plain scan: four sequences, flipped copies for the two that run backwards."""

    def both_ways(args: ScanArgs) -> tuple[Tensor, Tensor]:
        if args.reverse:
            turned = (t.flip(-1) for t in (args.u, args.delta, args.B, args.C))
            u, delta, B, C = turned
            args = args._replace(u=u, delta=delta, B=B, C=C)
            return scan(args).flip(-1), args.u.new_empty(0)
        return scan(args), args.u.new_empty(0)

    return lambda *tensors: directions.forward(SS2DArgs(*tensors), both_ways)[0]


def no_scan(x: Tensor, *weights: Tensor) -> Tensor:
    return x


def variants(skip_peers: bool) -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """A context for each variant in which the network's SS2D is that variant."""
    cases: dict[str, Callable[[], AbstractContextManager[object]]] = {
        name: lambda name=name: ops.using_backend(name)  # type: ignore[misc]
        for name in ("native", "torch")
        if name in ops.available_backends()
    }
    cases["no scan"] = lambda: replaced(no_scan)
    if not skip_peers:
        cases["loop"] = lambda: replaced(plain_ss2d(loop))
        cases["unbind"] = lambda: replaced(plain_ss2d(unbind))
    return cases


@contextmanager
def replaced(core: Callable[..., Tensor]):  # type: ignore[no-untyped-def]
    with mock.patch("segkit.nn.ss2d.ss2d", core):
        yield


def evaluation(network: torch.nn.Module, image: Tensor) -> Tensor:
    with torch.inference_mode():
        return network.eval()(image)


def training(network: torch.nn.Module, image: Tensor) -> Tensor:
    """One step without the optimizer; the gradients as one vector."""
    mask = (image.mean(1) > 0.5).long()
    network.zero_grad(set_to_none=True)
    make_loss("guide_fusion")(network.train()(image), mask).backward()
    gradients = (
        (p.grad if p.grad is not None else torch.zeros_like(p)) for p in network.parameters()
    )
    return torch.cat([gradient.flatten() for gradient in gradients])


def fresh() -> torch.nn.Module:
    torch.manual_seed(0)
    return segkit.create("dermomamba")


def measure(task, cases, image, rounds):  # type: ignore[no-untyped-def]
    """Median process CPU milliseconds of each variant, in turns; parity in the first."""
    network = fresh()
    times: dict[str, list[float]] = {name: [] for name in cases}
    results: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        for name, context in cases.items():
            with context():
                begun = time.process_time()
                result = task(network, image)
                elapsed = time.process_time() - begun
            if turn:
                times[name].append(elapsed * 1e3)
            else:
                results[name] = result.clone()
    assert_parity(results)
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


def assert_parity(results: dict[str, Tensor]) -> None:
    """All but "no scan" agree with the first, relative to its largest value."""
    base = next(iter(results.values()))
    for name, result in results.items():
        worst = float((result - base).abs().max() / base.abs().max())
        assert name == "no scan" or worst < 5e-3, f"{name} is off by {worst:.1e}"


def peak(backend: str, size: str) -> float:
    """Peak resident MB of two training steps of batch four, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", backend, "--size", size]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(backend: str, size: tuple[int, int]) -> None:
    network, image = fresh(), torch.rand(4, 3, *size)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    with ops.using_backend(backend):
        for _ in range(2):
            training(network, image)
            optimizer.step()
    scale = 2**20 if sys.platform == "darwin" else 2**10
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", default="192x256")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--skip-peers", action="store_true")
    options.add_argument("--memory", action="store_true")
    options.add_argument("--memory-of", help=argparse.SUPPRESS)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    height, width = map(int, asked.size.split("x"))
    if asked.memory_of:
        return memory_of(asked.memory_of, (height, width))
    document = {
        "network": "dermomamba", "size": [height, width], "dtype": "float32",
        "threads": asked.threads, "torch": torch.__version__, "machine": platform.processor(),
    }  # fmt: skip
    cases = variants(asked.skip_peers)
    if asked.memory:
        names = [name for name in cases if name in ("native", "torch")]
        document["peak_mb_training_step_b4"] = {name: peak(name, asked.size) for name in names}
    else:
        torch.manual_seed(1)
        image = torch.rand(2, 3, height, width)
        document["evaluation_ms_b1"] = measure(evaluation, cases, image[:1], asked.rounds)
        cases.pop("loop", None)  # its backward is quadratic in L
        document["training_step_ms_b2"] = measure(training, cases, image, asked.rounds)
        document["ratio"] = ratios(document)
    text = json.dumps(document, indent=2)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")
    return None


def ratios(document: dict) -> dict[str, float]:
    """How often the slower peer is the time of ours."""
    found = {}
    for key, peer in (("evaluation_ms_b1", "loop"), ("training_step_ms_b2", "unbind")):
        times = document[key]
        for name in ("native", "torch"):
            if peer in times and name in times:
                found[f"{key}: {peer} / {name}"] = round(times[peer] / times[name], 1)
    return found


if __name__ == "__main__":
    main()
