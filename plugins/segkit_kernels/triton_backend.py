"""The Triton kernels as a backend: CUDA, or the CPU in Triton's interpreter."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from segkit.errors import SegkitError
from segkit.ops import ScanArgs, ScanGrads, ScanKernels, SS2DArgs, SS2DGrads
from segkit.ops.arguments import carry_shape, chunks, ss2d_carry_shape
from segkit_kernels import triton_kernels as kernels

PROGRAMS = 2048  # wanted at once, so that a GPU is busy; fewer channels mean more segments
GRID = 65535  # the most programs that CUDA starts along the second axis
BLOCK = 16  # channels whose dB and dC one program adds up


class Problem(NamedTuple):
    """What all kernels of one call share: tensors, strides, sizes, flags."""

    u: Tensor
    step: Tensor  # delta (B, K D, L), or for SS2D the projections (B L, 4, E)
    weight: Tensor  # SS2D: (4, D, R)
    bias: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    skip: Tensor
    u_strides: tuple[int, int, int, int]  # batch, direction or group, channel, position
    m_strides: tuple[int, int, int, int]  # of B and C: batch, group, state, position
    y_strides: tuple[int, int, int, int]
    sizes: dict[str, int]
    flags: dict[str, Any]

    @property
    def segments(self) -> int:
        return -(-self.sizes["chunks"] // self.sizes["share"])


class TritonKernels(ScanKernels):
    """Scan and fused SS2D; no atomics, hence the same bits every time."""

    max_state = 256
    programs = PROGRAMS

    def scan(self, args: ScanArgs) -> tuple[Tensor, Tensor]:
        y, carry = args.u.new_empty(args.u.shape), args.u.new_empty(carry_shape(args))
        if y.numel():
            self._forward(self._plain(args), y, carry)
        return y, carry

    def scan_backward(self, args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
        none = args.u.new_empty(0)
        if not args.u.numel():
            zeros = [none.clone() if x is None else torch.zeros_like(x) for x in args[:7]]
            return ScanGrads._make(zeros)
        problem, dy = self._plain(args), dy.contiguous()
        d_u, d_delta = torch.empty_like(problem.u), torch.empty_like(problem.u)
        d_A, d_B, d_C = self._backward(problem, carry, dy, d_u, d_delta, problem.y_strides)
        return ScanGrads(
            d_u,
            d_delta,
            d_A,
            d_B.transpose(2, 3).contiguous(),
            d_C.transpose(2, 3).contiguous(),
            none if args.D is None else (dy * args.u).sum(-1).sum(0),
            none.clone() if args.bias is None else d_delta.sum(-1).sum(0),
        )

    def ss2d(self, args: SS2DArgs) -> tuple[Tensor, Tensor]:
        carry = args.x.new_empty(ss2d_carry_shape(args))
        if not args.x.numel():
            return args.x.new_empty(args.x.shape), carry
        planes = args.x.new_empty(4, *args.x.shape)
        self._forward(self._map(args), planes, carry)
        return planes.sum(0), carry

    def ss2d_backward(self, args: SS2DArgs, carry: Tensor, dy: Tensor) -> SS2DGrads:
        if not args.x.numel():
            return SS2DGrads(*(torch.zeros_like(item) for item in args))
        problem, dy = self._map(args), dy.contiguous()
        batch, height, width, channels = args.x.shape
        d_planes = args.x.new_empty(4, *args.x.shape)
        d_raw = args.x.new_empty(batch, height * width, 4, channels)
        raw_strides = (height * width * 4 * channels, channels, 1, 4 * channels)
        d_A, d_B, d_C = self._backward(problem, carry, dy, d_planes, d_raw, raw_strides)
        rank = args.w_dt.shape[2]
        pixels, d_flat = args.x.reshape(-1, channels), d_raw.view(-1, 4, channels)
        low = problem.step[..., :rank]  # (B L, 4, R)
        d_low = torch.einsum("pkd,kdr->pkr", d_flat, args.w_dt)
        d_B, d_C = (part.transpose(1, 2).reshape(-1, 4, part.shape[-1]) for part in (d_B, d_C))
        d_proj = torch.cat((d_low, d_B, d_C), -1)  # (B L, 4, E)
        d_x = torch.einsum("pke,ked->pd", d_proj, args.w_x).view(args.x.shape) + d_planes.sum(0)
        d_D = (dy.reshape(-1, channels) * pixels).sum(0).repeat(4)
        return SS2DGrads(
            d_x,
            torch.einsum("pke,pd->ked", d_proj, pixels),
            torch.einsum("pkd,pkr->kdr", d_flat, low),
            d_flat.sum(0),
            d_A,
            d_D,
        )

    def _plain(self, args: ScanArgs) -> Problem:
        """A scan of sequences (B, K D, L) in K groups."""
        u, step, A, B, C = (item.contiguous() for item in args[:5])
        batch, channels, length = u.shape
        groups, state = B.shape[1:3]
        rows = (channels * length, channels // groups * length, length, 1)
        sizes = {"height": 1, "width": length, "K": groups, "R": 1, "E": 1}
        flags = {
            "MAP": False,
            "REVERSE": args.reverse,
            "BIAS": args.bias is not None,
            "SOFT": args.softplus,
            "SKIP": args.D is not None,
        }
        bias, skip = (A if item is None else item.contiguous() for item in (args.bias, args.D))
        strides = (groups * state * length, state * length, length, 1)
        sizes |= self._sizes(batch, length, groups, channels // groups, state)
        flags["N2"] = max(2, triton.next_power_of_2(state))
        return Problem(u, step, A, bias, A, B, C, skip, rows, strides, rows, sizes, flags)

    def _map(self, args: SS2DArgs) -> Problem:
        """The four directions over a map (B, H, W, D), projected once per pixel."""
        x, w_x, w_dt, bias, A, skip = (item.contiguous() for item in args)
        batch, height, width, channels = x.shape
        length, rank, state = height * width, w_dt.shape[2], A.shape[1]
        proj = torch.einsum("pd,ked->pke", x.view(-1, channels), w_x).contiguous()
        entry = proj.shape[2]
        sizes = {"height": height, "width": width, "K": 4, "R": rank, "E": entry}
        sizes |= self._sizes(batch, length, 4, channels, state)
        flags = {"MAP": True, "REVERSE": False, "BIAS": True, "SOFT": True, "SKIP": True}
        flags["N2"] = max(2, triton.next_power_of_2(state))
        pixels = (length * channels, 0, 1, channels)
        planes = (length * channels, batch * length * channels, 1, channels)
        strides = (length * 4 * entry, entry, 1, 4 * entry)
        B, C = proj[..., rank:], proj[..., rank + state :]
        return Problem(x, proj, w_dt, bias, A, B, C, skip, pixels, strides, planes, sizes, flags)

    def _sizes(self, batch: int, length: int, K: int, D: int, N: int) -> dict[str, int]:
        """Sizes, and how many chunks a segment has."""
        if D > GRID:
            raise SegkitError(
                f"{D} channels a group are too many for the triton backend",
                f"a CUDA grid has {GRID} rows",
                "Set SEGKIT_BACKEND=torch.",
            )
        count = chunks(length)
        segments = max(1, min(self.programs // (batch * K * D), count))
        share = -(-count // segments)
        return {
            "batch": batch, "length": length, "D": D, "N": N, "chunks": count, "share": share,
        }  # fmt: skip

    @staticmethod
    def _forward(problem: Problem, y: Tensor, carry: Tensor) -> None:
        sizes = problem.sizes
        grid = (sizes["batch"] * sizes["K"], sizes["D"], problem.segments)
        start, end, decay = between(problem)

        def launch(write: bool) -> None:
            kernels.forward[grid](
                problem.u, problem.step, problem.weight, problem.bias, problem.A, problem.B,
                problem.C, problem.skip, y, carry, start, end, decay,
                *problem.u_strides, *problem.m_strides, *problem.y_strides,
                **sizes, **problem.flags, WRITE=write, STEPS=kernels.CHUNK,
            )  # fmt: skip

        if problem.segments > 1:
            launch(False)
            chain(problem, end, decay, start, back=False)
        launch(True)

    @staticmethod
    def _backward(
        problem: Problem,
        carry: Tensor,
        dy: Tensor,
        d_u: Tensor,
        d_raw: Tensor,
        raw_strides: tuple[int, int, int, int],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """d_A (K D, N), d_B and d_C (B, K, L, N); d_u and d_raw are written."""
        sizes, flags = problem.sizes, problem.flags
        batch, K, D, N = (sizes[name] for name in ("batch", "K", "D", "N"))
        flows, end, decay = between(problem)
        dy_strides = problem.u_strides if flags["MAP"] else problem.y_strides
        few = {name: value for name, value in flags.items() if name != "SKIP"}
        inner = {name: value for name, value in sizes.items() if name != "batch"}
        if problem.segments > 1:
            kernels.backward_flow[(batch * K, D, problem.segments)](
                dy, problem.step, problem.weight, problem.bias, problem.A, problem.C, end, decay,
                *dy_strides, *problem.m_strides, **inner, **few, STEPS=kernels.CHUNK,
            )  # fmt: skip
            chain(problem, end, decay, flows, back=True)
        parts = -(-D // BLOCK)
        d_B, d_C = dy.new_empty(2, parts, batch, K, sizes["length"], N).unbind(0)
        d_A = torch.zeros_like(flows)
        kernels.backward[(batch * K, parts, problem.segments)](
            problem.u, dy, problem.step, problem.weight, problem.bias, problem.A, problem.B,
            problem.C, problem.skip, carry.contiguous(), flows, d_A, d_u, d_raw, d_B, d_C,
            *problem.u_strides, *dy_strides, *problem.m_strides, *raw_strides, *problem.y_strides,
            **sizes, block=BLOCK, **flags, STEPS=kernels.CHUNK,
            num_warps=kernels.warps(flags["N2"]),
        )  # fmt: skip
        return d_A.sum(3).sum(0).view(K * D, N), d_B.sum(0), d_C.sum(0)


def between(problem: Problem) -> tuple[Tensor, Tensor, Tensor]:
    """Three buffers (B, K, D, segments, N) for what goes between segments; the first is zero."""
    sizes = problem.sizes
    shape = (sizes["batch"], sizes["K"], sizes["D"], problem.segments, sizes["N"])
    return problem.A.new_zeros(shape), problem.A.new_empty(shape), problem.A.new_empty(shape)


def chain(problem: Problem, end: Tensor, decay: Tensor, start: Tensor, back: bool) -> None:
    """Run the small kernel between two passes."""
    rows, state = end.shape[:3].numel(), end.shape[4]
    grid = (triton.cdiv(rows * state, 256),)
    kernels.chain[grid](end, decay, start, rows, state, problem.segments, BACK=back, SIZE=256)


def make() -> TritonKernels:
    """The kernels of the backend `triton`."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if not interpreted and not torch.cuda.is_available():
        raise SegkitError("no CUDA device", "on a CPU Triton runs with TRITON_INTERPRET=1 only")
    return TritonKernels()
