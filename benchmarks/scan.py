"""The selective scan against the plain loops: paired, interleaved, process CPU time, parity first.

    python benchmarks/scan.py                 # (2, 96, 4096), N = 16, one thread
    python benchmarks/scan.py --shape 8,32,16384 --groups 4 --rounds 3 --skip-peers
    python benchmarks/scan.py --cuda          # own kernels against mamba-ssm where it is installed
    python benchmarks/scan.py --cuda --mamba-source mamba_ssm-2.2.6.tar.gz   # or built here by nvcc

Peers: "loop" is the definition, one step after the other (the forward reference of mamba-ssm);
"unbind" the same with views made once, the only plain loop whose backward is not quadratic in L.
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
from functools import cache
from pathlib import Path

import mamba_build
import torch
from rows import row
from torch.nn import functional as F

from segkit import ops

Inputs = tuple[torch.Tensor, ...]


def inputs(shape: tuple[int, int, int], groups: int, state: int, device: str) -> Inputs:
    """u, delta, A, B, C, D, bias as a network has them at the start of training."""
    torch.manual_seed(0)
    batch, channels, length = shape
    A = -torch.arange(1.0, state + 1).repeat(channels, 1)
    tensors = (
        torch.randn(shape),
        torch.randn(shape) * 0.5 - 2,
        A,
        torch.randn(batch, groups, state, length),
        torch.randn(batch, groups, state, length),
        torch.ones(channels),
        torch.randn(channels) * 0.1,
    )
    return tuple(tensor.to(device).requires_grad_() for tensor in tensors)


def prepare(delta, B, C, u):
    """B and C (B, D or 1, N, L), repeated for groups only, and delta B u (B, D, L, N)."""
    if B.shape[1] == 1:
        return B, C, torch.einsum("bdl,bnl,bdl->bdln", delta, B[:, 0], u)
    repeat = u.shape[1] // B.shape[1]
    B, C = B.repeat_interleave(repeat, 1), C.repeat_interleave(repeat, 1)
    return B, C, torch.einsum("bdl,bdnl,bdl->bdln", delta, B, u)


def loop(u, delta, A, B, C, D, bias):
    """The definition as mamba-ssm's reference writes it: decays first, then step by step."""
    delta = F.softplus(delta + bias[:, None])
    B, C, drive = prepare(delta, B, C, u)
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    h, out = u.new_zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[2]):
        h = decay[:, :, t] * h + drive[:, :, t]
        out.append((h * C[:, :, :, t]).sum(-1))
    return torch.stack(out, 2) + u * D[:, None]


def unbind(u, delta, A, B, C, D, bias):
    """The same loop over unbound views: its backward is linear in L."""
    delta = F.softplus(delta + bias[:, None])
    B, C, drive = prepare(delta, B, C, u)
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A)).unbind(2)
    h, out = u.new_zeros(u.shape[0], *A.shape), []
    for a, x, c in zip(decay, drive.unbind(2), C.unbind(3), strict=True):
        h = a * h + x
        out.append((h * c).sum(-1))
    return torch.stack(out, 2) + u * D[:, None]


def ours(backend: str) -> Callable[..., torch.Tensor]:
    """`segkit.ops.selective_scan` on one backend."""

    def scan(u, delta, A, B, C, D, bias):
        with ops.using_backend(backend):
            return ops.selective_scan(u, delta, A, B, C, D, None, bias, True)

    return scan


@cache
def ones(shape: tuple[int, ...], device: str) -> torch.Tensor:
    """dL/dy, made once: it is no part of a scan, and torch's threads go on spinning after it."""
    return torch.ones(shape, device=device)


def both(scan: Callable[..., torch.Tensor], tensors: Inputs, grads: bool) -> list[torch.Tensor]:
    """y, and the gradients of its sum of squares if asked."""
    with torch.set_grad_enabled(grads):
        y = scan(*tensors)
    if not grads:
        return [y]
    return [y, *torch.autograd.grad(y, tensors, ones(y.shape, y.device.type))]


def clock(device: str) -> float:
    """Milliseconds of process time; on a GPU of wall time after a wait."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter() * 1e3
    return time.process_time() * 1e3


def measure(variants, tensors, grads, rounds, device):
    """Median milliseconds per variant, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, scan in variants.items():
            start = clock(device)
            both(scan, tensors, grads)
            if turn:  # the first round warms up
                times[name].append(clock(device) - start)
    return {name: statistics.median(values) for name, values in times.items()}


def check_parity(variants, tensors, base: str) -> dict[str, float]:
    """Largest difference to the base variant over value and gradients, relative to the maximum."""
    expected = both(variants[base], tensors, True)
    worst = {}
    for name, scan in variants.items():
        pairs = zip(both(scan, tensors, True), expected, strict=True)
        worst[name] = max(float(((a - b).abs().max() / b.abs().max()).detach()) for a, b in pairs)
        assert worst[name] < 1e-5, f"{name} differs from {base} by {worst[name]:.1e}"
    return worst


def check_loop(variants, tensors) -> None:
    """The quadratic backward of the loop would take minutes: its value alone is compared."""
    with torch.no_grad():
        found, expected = (both(variants[name], tensors, False)[0] for name in ("loop", "unbind"))
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max(), "the loops differ"


def tabulate(report, names) -> None:
    """The pairs of the common table."""
    for key, label, peer, unit in (
        ("forward_ms", "forward", "loop", "ms CPU"),
        ("both_ms", "forward and backward", "unbind", "ms CPU"),
        ("memory_mb", "peak memory", "unbind", "MB"),
    ):
        for name in names if key in report else ():
            title = f"selective scan {report['shape']}, {label}, {name}"
            row(title, report[key][name], f"plain loop ({peer})", report[key][peer], unit)


def peak_memory(name: str, shape: str, groups: int) -> float:
    """Extra MB at the peak of one forward and backward, in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--memory-of",
        name,
        "--shape",
        shape,
        "--groups",
        str(groups),
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(name: str, shape, groups: int) -> float:
    """Run one variant once: growth of the process in MB at its peak, without inputs."""
    variants = {"loop": loop, "unbind": unbind}
    scan = variants.get(name) or ours(name)
    both(scan, inputs((1, shape[1], 64), groups, 16, "cpu"), True)
    tensors = inputs(shape, groups, 16, "cpu")
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from here
    before = memory_line("VmRSS")
    both(scan, tensors, True)
    return (memory_line("VmHWM") - before) / 1024


def memory_line(name: str) -> int:
    """A figure of this process in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="2,96,4096", help="batch,channels,length")
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--state", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--mamba-source", type=Path, help="mamba-ssm's sources, for --cuda")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    shape = tuple(int(item) for item in options.shape.split(","))
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(memory_of(options.memory_of, shape, options.groups))
        return
    device = "cuda" if options.cuda else "cpu"
    if options.mamba_source:
        mamba_build.provide(options.mamba_source)
    names = [name for name in ops.available_backends(device) if name not in ("reference", "export")]
    names = [name for name in names if (name, device) != ("triton", "cpu")]
    variants = {} if options.skip_peers else {"loop": loop, "unbind": unbind}
    variants |= {name: ours(name) for name in names}
    tensors = inputs(shape, options.groups, options.state, device)
    if not options.skip_peers:
        check_loop(variants, tensors)
    linear = {name: scan for name, scan in variants.items() if name != "loop"}
    report = {
        "shape": shape, "state": options.state, "groups": options.groups, "dtype": "float32",
        "device": device, "threads": torch.get_num_threads(), "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(), "rounds": options.rounds,
        "parity": check_parity(linear, tensors, next(iter(linear))),
        "forward_ms": measure(variants, tensors, False, options.rounds, device),
        "both_ms": measure(linear, tensors, True, options.rounds, device),
    }  # fmt: skip
    if device == "cpu":
        report["memory_mb"] = {
            name: peak_memory(name, options.shape, options.groups) for name in linear
        }
    if not options.skip_peers:
        report["ratio"] = ratios(report)
        tabulate(report, names)
    print(json.dumps(report, indent=2))


def ratios(report) -> dict[str, dict[str, float]]:
    """How many times faster or leaner than the peer: forward the loop, else the unbound loop."""
    peers = {"forward_ms": "loop", "both_ms": "unbind", "memory_mb": "unbind"}
    return {
        key: {name: round(report[key][peer] / value, 1) for name, value in report[key].items()}
        for key, peer in peers.items()
        if key in report
    }


if __name__ == "__main__":
    main()
