"""The lean scan in plain torch: chunks side by side, its own backward, any device, no compiler.

The sequence is cut into m chunks of T steps that advance together from a zero state; the m end
states are chained; a second sweep starts from the right states and emits y. All decays are exp of
something <= 0 in the networks, so nothing overflows. Work is ordered (T, N, D, M) with M = batch x
chunks innermost, which keeps every elementwise loop long whatever D is, and cut into blocks of
channels that stay in cache.
The backward keeps the state before each chunk only and recomputes the rest. No sum depends on the
number of threads: whole arrays see elementwise operations and `products.total` only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from segkit.ops.arguments import CHUNK, ScanArgs, ScanGrads, chunks
from segkit.ops.products import softplus, total

BLOCK = {"cpu": 1 << 15}  # floats of one step's state that are worked on together
BLOCK_ELSEWHERE = 1 << 22


class Block(NamedTuple):
    """Some channels of one group, time first. T steps, N states, D channels, M = batch x chunks."""

    group: int
    part: slice  # the channels
    A: Tensor  # (N, D, 1)
    dt: Tensor  # (T, 1, D, M)
    x: Tensor  # (T, 1, D, M), dt * u
    B: Tensor  # (T, N, 1, M)
    C: Tensor  # (T, N, 1, M)


class ChunkLayout(NamedTuple):
    """How (B, ..., L) is ordered as (T, ..., B m)."""

    batch: int
    length: int
    reverse: bool

    def fold(self, x: Tensor) -> Tensor:
        """(B, ..., L) to (T, ..., B m), zeros at the end of the last chunk."""
        x = x.flip(-1) if self.reverse else x
        x = F.pad(x, (0, chunks(self.length) * CHUNK - self.length))
        x = x.unflatten(-1, (-1, CHUNK)).movedim(0, -3)  # (..., B, m, T)
        return x.movedim(-1, 0).flatten(-2)

    def unfold(self, x: Tensor) -> Tensor:
        """Undo `fold`: back to (B, ..., L)."""
        x = x.unflatten(-1, (self.batch, -1)).movedim(0, -1).movedim(-3, 0)  # (B, ..., m, T)
        x = x.flatten(-2)[..., : self.length]
        return x.flip(-1) if self.reverse else x.contiguous()


def forward(args: ScanArgs) -> tuple[Tensor, Tensor]:
    """y (B, D, L) and the state before each chunk (B, D, m, N)."""
    batch, channels, length = args.u.shape
    layout = ChunkLayout(batch, length, args.reverse)
    if args.u.numel() == 0:
        return torch.zeros_like(args.u), args.u.new_zeros(
            batch, channels, chunks(length), args.A.shape[1]
        )
    y = args.u.new_empty(CHUNK, channels, batch * chunks(length))
    carry = args.u.new_empty(batch, channels, chunks(length), args.A.shape[1])
    for block in _blocks(args, layout):
        start = _start_states(block, batch)
        carry[:, block.part] = start.unflatten(-1, (batch, -1)).permute(2, 1, 3, 0)
        _emit(block, start, y[:, block.part])
    out = layout.unfold(y)
    return (out if args.D is None else out.add_(args.D[:, None] * args.u)), carry


def steps(args: ScanArgs) -> Tensor:
    """The step sizes as the recurrence uses them: bias added, softplus applied."""
    delta = args.delta if args.bias is None else args.delta + args.bias[:, None]
    return softplus(delta) if args.softplus else delta


def _blocks(args: ScanArgs, layout: ChunkLayout) -> Iterator[Block]:
    """The scan in pieces that fit the cache; groups never share a piece."""
    channels, groups = args.u.shape[1], args.B.shape[1]
    delta = steps(args)
    dt, x = layout.fold(delta)[:, None], layout.fold(delta * args.u)[:, None]
    B, C = layout.fold(args.B)[:, :, :, None], layout.fold(args.C)[:, :, :, None]
    limit = BLOCK.get(args.u.device.type, BLOCK_ELSEWHERE)
    width = max(1, limit // (args.A.shape[1] * x.shape[-1]))
    size = channels // groups
    for group in range(groups):
        for first in range(group * size, (group + 1) * size, width):
            part = slice(first, min(first + width, (group + 1) * size))
            A = args.A[part].t().unsqueeze(-1).contiguous()
            yield Block(group, part, A, dt[:, :, part], x[:, :, part], B[:, group], C[:, group])


def _start_states(block: Block, batch: int) -> Tensor:
    """The state before each chunk, (N, D, M)."""
    state = block.x.new_zeros(*block.A.shape[:2], block.x.shape[-1])
    if state.shape[-1] == batch:  # one chunk: it starts from zero
        return state
    decay = torch.empty_like(state)
    for t in range(CHUNK):
        torch.mul(block.A, block.dt[t], out=decay)
        state.mul_(decay.exp_()).addcmul_(block.x[t], block.B[t])
    return _chain(block, state, batch, range(state.shape[-1] // batch))


def _chain(block: Block, ends: Tensor, batch: int, order: range) -> Tensor:
    """Carry the end states from chunk to chunk in `order`: what each chunk receives."""
    decay = torch.exp(block.A * block.dt.sum(0)).unflatten(-1, (batch, -1)).movedim(-1, 0)
    decay = decay.contiguous()
    ends = ends.unflatten(-1, (batch, -1)).movedim(-1, 0).contiguous()
    received = torch.zeros_like(ends)
    for before, after in itertools.pairwise(order):
        torch.addcmul(ends[before], decay[before], received[before], out=received[after])
    return received.movedim(0, -1).flatten(-2)


def _emit(block: Block, start: Tensor, y: Tensor) -> None:
    """Run all chunks from their start states and write y (T, D, M)."""
    state = start.contiguous()
    work = torch.empty_like(state)
    for t in range(CHUNK):
        torch.mul(block.A, block.dt[t], out=work)
        state.mul_(work.exp_()).addcmul_(block.x[t], block.B[t])
        torch.mul(state, block.C[t], out=work)
        y[t] = work.sum(0)


def backward(args: ScanArgs, carry: Tensor, dy: Tensor) -> ScanGrads:
    """All gradients, from the kept states and dL/dy."""
    if args.u.numel() == 0:
        return _zero_grads(args)
    layout = ChunkLayout(args.u.shape[0], args.u.shape[2], args.reverse)
    folded = layout.fold(dy)[:, None]  # (T, 1, D, M)
    d_x = torch.empty_like(folded[:, 0])  # gradient of dt * u
    d_dt = torch.empty_like(d_x)  # through the decays only
    d_A = torch.empty_like(args.A)
    d_B, d_C = (layout.fold(m).zero_() for m in (args.B, args.C))
    for block in _blocks(args, layout):
        part, group = block.part, block.group
        start = carry[:, part].permute(3, 1, 0, 2).flatten(-2).contiguous()
        piece = (d_x[:, part], d_dt[:, part], d_B[:, group], d_C[:, group])
        d_A[part] = _block_backward(block, layout.batch, start, folded[:, :, part], piece).t()
    raw = layout.unfold(d_x)
    return _finish(args, dy, raw, layout.unfold(d_dt), d_A, layout.unfold(d_B), layout.unfold(d_C))


def _block_backward(
    block: Block, batch: int, start: Tensor, dy: Tensor, out: tuple[Tensor, ...]
) -> Tensor:
    """Write the gradients of one block into `out`, return that of A (N, D)."""
    decay, states = _replay(block, start)
    flow = torch.zeros_like(start)  # gradient that leaves a step towards the past
    if start.shape[-1] > batch:
        for t in reversed(range(CHUNK)):
            flow.addcmul_(block.C[t], dy[t]).mul_(decay[t])
        flow = _chain(block, flow, batch, range(start.shape[-1] // batch)[::-1])
    flow = flow.contiguous()
    d_x, d_dt, d_B, d_C = out
    work, d_A = torch.empty_like(flow), torch.zeros_like(flow)
    for t in reversed(range(CHUNK)):
        flow.addcmul_(block.C[t], dy[t])  # dL/dh_t
        d_C[t] += torch.mul(states[t + 1], dy[t], out=work).sum(1)
        d_B[t] += torch.mul(flow, block.x[t], out=work).sum(1)
        d_x[t] = torch.mul(flow, block.B[t], out=work).sum(0)
        torch.mul(flow.mul_(decay[t]), states[t], out=work)
        d_A.addcmul_(work, block.dt[t])
        d_dt[t] = work.mul_(block.A).sum(0)
    return total(d_A, -1)


def _replay(block: Block, start: Tensor) -> tuple[Tensor, Tensor]:
    """The decays (T, N, D, M) and the states (T + 1, N, D, M) of a block, from its start states."""
    decay = torch.exp_(block.A * block.dt)
    states = start.new_empty(CHUNK + 1, *start.shape)
    states[0] = start
    for t in range(CHUNK):
        torch.mul(decay[t], states[t], out=states[t + 1])
        states[t + 1].addcmul_(block.x[t], block.B[t])
    return decay, states


def _finish(
    args: ScanArgs, dy: Tensor, d_x: Tensor, d_dt: Tensor, d_A: Tensor, d_B: Tensor, d_C: Tensor
) -> ScanGrads:
    """From the gradients of dt * u and of the decays to those of u, delta, D and bias."""
    delta = steps(args)
    d_u = d_x * delta
    d_delta = d_dt.add_(d_x * args.u)
    if args.D is not None:
        d_u.add_(dy * args.D[:, None])
    if args.softplus:  # the slope of softplus: 1 - exp(-softplus)
        d_delta.mul_(-torch.expm1(-delta))
    none = args.u.new_empty(0)
    d_D = none if args.D is None else total(total(dy * args.u, 0), -1)
    d_bias = none.clone() if args.bias is None else total(total(d_delta, 0), -1)
    return ScanGrads(d_u, d_delta, d_A, d_B, d_C, d_D, d_bias)


def _zero_grads(args: ScanArgs) -> ScanGrads:
    none = args.u.new_empty(0)
    tensors = [torch.zeros_like(item) for item in args[:5]]
    rest = [none.clone() if item is None else torch.zeros_like(item) for item in args[5:7]]
    return ScanGrads(*tensors, *rest)
