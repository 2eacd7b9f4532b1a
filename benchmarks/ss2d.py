"""The SS2D core against the four loops: paired, interleaved, process CPU time, parity first.

    python benchmarks/ss2d.py                        # the core at (2, 128, 64, 64), one thread
    python benchmarks/ss2d.py --shape 2,8,192,256 --rounds 3
    python benchmarks/ss2d.py --cuda                 # on a GPU, own kernels against the torch form

The peer materialises permutes and flips and runs the plain loop of `scan.py`; "torch" is segkit
without a compiler, "native" with its C kernels.
"""

from __future__ import annotations

import argparse
import json

import torch
from rows import row
from scan import check_parity, loop, measure, ratios

from segkit import ops

Shape = tuple[int, int, int, int]


def inputs(shape: Shape, device: str) -> tuple[torch.Tensor, ...]:
    """x and the weights of one SS2D at the start of training: shape is batch, channels, H, W."""
    torch.manual_seed(0)
    batch, channels, height, width = shape
    rank, state = max(1, channels // 32), 16
    tensors = (
        torch.randn(batch, height, width, channels),
        torch.randn(4, rank + 2 * state, channels) * channels**-0.5,
        torch.randn(4, channels, rank) * rank**-0.5,
        torch.randn(4, channels) * 0.5 - 4,
        -torch.arange(1.0, state + 1).repeat(4 * channels, 1),
        torch.ones(4 * channels),
    )
    return tuple(tensor.to(device).requires_grad_() for tensor in tensors)


def four_loops(x, w_x, w_dt, bias, A, D):
    """Permutes, flips, one grouped loop over four sequences, and everything back again."""
    batch, height, width, channels = x.shape
    rank, state, length = w_dt.shape[2], A.shape[1], height * width
    rows = x.permute(0, 3, 1, 2).flatten(2)
    columns = x.permute(0, 3, 2, 1).flatten(2)
    pair = torch.stack((rows, columns), 1)
    u = torch.cat((pair, pair.flip(-1)), 1)  # (B, 4, D, L)
    low, B, C = torch.einsum("bkdl,ked->bkel", u, w_x).split([rank, state, state], 2)
    delta = torch.einsum("bkrl,kdr->bkdl", low, w_dt).reshape(batch, -1, length)
    y = loop(u.reshape(batch, -1, length), delta, A, B, C, D, bias.reshape(-1))
    y = y.view(batch, 4, channels, length)
    y = y[:, :2] + y[:, 2:].flip(-1)
    total = y[:, 0].unflatten(-1, (height, width)).permute(0, 2, 3, 1)
    return total + y[:, 1].unflatten(-1, (width, height)).permute(0, 3, 2, 1)


def ours(backend: str):
    """`segkit.ops.ss2d` on one backend."""

    def core(*tensors):
        with ops.using_backend(backend):
            return ops.ss2d(*tensors)

    return core


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="2,128,64,64", help="batch,channels,H,W")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    options = parser.parse_args()
    shape = tuple(int(item) for item in options.shape.split(","))
    device = "cuda" if options.cuda else "cpu"
    tensors = inputs(shape, device)
    torch.set_num_threads(1)
    plain = ("reference", "export") if options.cuda else ("reference", "export", "triton")
    names = [name for name in ops.available_backends(device) if name not in plain]
    fast = {name: ours(name) for name in names}
    slow = {} if options.skip_peer else {"loop": four_loops}
    with torch.no_grad():
        for name in slow:
            error = (slow[name](*tensors) - fast[names[0]](*tensors)).abs().max()
            assert error < 1e-3, f"the peer differs by {error}"
    report = {
        "shape": shape, "state": 16, "dtype": "float32", "device": device,
        "threads": torch.get_num_threads(), "torch": torch.__version__, "rounds": options.rounds,
        "parity": check_parity(fast, tensors, names[-1]),
        "forward_ms": measure({**slow, **fast}, tensors, False, options.rounds, device),
        "both_ms": measure(fast, tensors, True, options.rounds, device),
    }  # fmt: skip
    if slow:
        report["ratio"] = ratios({"forward_ms": report["forward_ms"]})
        times = report["forward_ms"]
        for name in names:
            row(
                f"SS2D {shape}, forward, {name}", times[name], "four loops", times["loop"], "ms CPU"
            )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
