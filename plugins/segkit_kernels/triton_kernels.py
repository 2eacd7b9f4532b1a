"""Triton kernels of the selective scan, for plain sequences and for the four directions of SS2D.

A program owns one channel (the last backward: a few channels, one after the other) and a segment
of the sequence, chunk by chunk; inside a chunk of 64 steps an associative scan runs over (steps,
states). Long sequences are split into segments whose end states are chained by a small kernel in
between. An index map stands for permutes and flips. No atomics: every sum has one fixed order.
"""

from __future__ import annotations

import triton
import triton.language as tl

CHUNK = 64


def warps(states: int) -> int:
    """How many warps share a chunk in the last backward.

    With four, a tile of 64 steps and 16 states (a power of two) needs more than the 255 registers
    that a thread can have, and spills (python -m benchmarks.kernels counts).
    """
    return 8 if states >= 16 else 4


@triton.jit
def compose(a1, x1, a2, x2):
    """Two steps h -> a h + x as one."""
    return a1 * a2, x1 * a2 + x2


@triton.jit
def position(t, k, length, height, width, MAP: tl.constexpr, REVERSE: tl.constexpr):
    """Where step t lies: SS2D reads rows (k = 0, 2) or columns (1, 3), from k = 2 on backwards.

    In 64 bits: a position times its stride passes 2³¹ in large maps of many channels.
    """
    if MAP:
        s = tl.where(k >= 2, length - 1 - t, t)
        at = tl.where(k % 2 == 1, (s % height) * width + s // height, s)
    elif REVERSE:
        at = length - 1 - t
    else:
        at = t
    return at.to(tl.int64)


@triton.jit
def step_sizes(
    step, weight, bias, b, k, d, t, length, height, width, K, D, R, E,
    MAP: tl.constexpr, REVERSE: tl.constexpr, BIAS: tl.constexpr, SOFT: tl.constexpr,
):  # fmt: skip
    """dt and the slope of softplus at steps t; 0 beyond the end."""
    valid = t < length
    at = position(t, k, length, height, width, MAP, REVERSE)
    row = k * D + d
    if MAP:
        entry = step + ((b * length + at) * K + k) * E
        raw = tl.load(weight + row * R) * tl.load(entry, mask=valid, other=0.0)
        for r in range(1, R):
            raw += tl.load(weight + row * R + r) * tl.load(entry + r, mask=valid, other=0.0)
    else:
        raw = tl.load(step + (b * K * D + row) * length + at, mask=valid, other=0.0)
    if BIAS:
        raw += tl.load(bias + row)
    dt, slope = raw, raw * 0 + 1
    if SOFT:
        e = tl.exp(-tl.abs(raw))
        one = 1 + e  # log(one) e / (one - 1) is log(1 + e) to full precision
        small = one == 1
        log = tl.where(small, e, tl.log(one) * (e / tl.where(small, 1.0, one - 1)))
        dt = tl.maximum(raw, 0.0) + log
        slope = tl.where(raw > 0, 1 / one, e / one)
    return tl.where(valid, dt, 0.0), slope


@triton.jit
def carry_row(b, k, d, batch, K, D, MAP: tl.constexpr):
    """The row of the kept states, whose layout all backends share."""
    if MAP:
        row = (((k // 2) * batch + b) * 2 + k % 2) * D + d
    else:
        row = (b * K + k) * D + d
    return row


@triton.jit
def forward(
    u, step, weight, bias, A, B, C, skip, y, carry, start, end, decay,
    u_b, u_k, u_d, u_l, m_b, m_k, m_n, m_l, y_b, y_k, y_d, y_l,
    batch, length, height, width, K, D, R, E, N, chunks, share,
    N2: tl.constexpr, MAP: tl.constexpr, REVERSE: tl.constexpr, BIAS: tl.constexpr,
    SOFT: tl.constexpr, SKIP: tl.constexpr, WRITE: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """WRITE: y and the kept states, from `start`. Else: end state and decay of the segment."""
    b, k = (tl.program_id(0) // K).to(tl.int64), (tl.program_id(0) % K).to(tl.int64)
    d, segment, segments = tl.program_id(1).to(tl.int64), tl.program_id(2), tl.num_programs(2)
    n, rows = tl.arange(0, N2), tl.arange(0, STEPS)
    real = n < N
    a_row = tl.load(A + (k * D + d) * N + n, mask=real, other=0.0)
    place = (((b * K + k) * D + d) * segments + segment) * N + n
    kept = carry + carry_row(b, k, d, batch, K, D, MAP) * chunks * N
    h = a_row * 0
    total = tl.sum(h)
    if WRITE:
        h = tl.load(start + place, mask=real, other=0.0)
    for chunk in range(segment * share, tl.minimum((segment + 1) * share, chunks)):
        t = chunk * STEPS + rows
        valid = t < length
        at = position(t, k, length, height, width, MAP, REVERSE)
        dt, _ = step_sizes(
            step,
            weight,
            bias,
            b,
            k,
            d,
            t,
            length,
            height,
            width,
            K,
            D,
            R,
            E,
            MAP,
            REVERSE,
            BIAS,
            SOFT,
        )
        value = tl.load(u + b * u_b + k * u_k + d * u_d + at * u_l, mask=valid, other=0.0)
        tile = b * m_b + k * m_k + at[:, None] * m_l + n[None, :] * m_n
        inside = valid[:, None] & real[None, :]
        drive = (dt * value)[:, None] * tl.load(B + tile, mask=inside, other=0.0)
        if WRITE:
            tl.store(kept + chunk * N + n, h, mask=real)
        scaled, local = tl.associative_scan(
            (tl.exp(dt[:, None] * a_row[None, :]), drive), 0, compose
        )
        states = scaled * h[None, :] + local
        if WRITE:
            out = tl.sum(states * tl.load(C + tile, mask=inside, other=0.0), 1)
            if SKIP:
                out += tl.load(skip + k * D + d) * value
            tl.store(y + b * y_b + k * y_k + d * y_d + at * y_l, out, mask=valid)
        h = tl.sum(tl.where(rows[:, None] == STEPS - 1, states, 0.0), 0)
        total += tl.sum(dt)
    if not WRITE:
        tl.store(end + place, h, mask=real)
        tl.store(decay + place, tl.exp(a_row * total), mask=real)


@triton.jit
def chain(end, decay, start, rows, N, segments, BACK: tl.constexpr, SIZE: tl.constexpr):
    """What each segment receives from the one before it (BACK: after it)."""
    index = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    inside = index < rows * N
    place = (index // N) * segments * N + index % N
    received = tl.load(end + place, mask=inside, other=0.0) * 0
    for step in range(segments):
        segment = segments - 1 - step if BACK else step
        here = place + segment * N
        tl.store(start + here, received, mask=inside)
        factor = tl.load(decay + here, mask=inside, other=0.0)
        received = factor * received + tl.load(end + here, mask=inside, other=0.0)


@triton.jit
def backward_flow(
    dy, step, weight, bias, A, C, end, decay,
    y_b, y_k, y_d, y_l, m_b, m_k, m_n, m_l,
    length, height, width, K, D, R, E, N, chunks, share,
    N2: tl.constexpr, MAP: tl.constexpr, REVERSE: tl.constexpr, BIAS: tl.constexpr,
    SOFT: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """The gradient that a segment hands to the one before it, receiving none, and its decay."""
    b, k = (tl.program_id(0) // K).to(tl.int64), (tl.program_id(0) % K).to(tl.int64)
    d, segment, segments = tl.program_id(1).to(tl.int64), tl.program_id(2), tl.num_programs(2)
    n, rows = tl.arange(0, N2), tl.arange(0, STEPS)
    real = n < N
    a_row = tl.load(A + (k * D + d) * N + n, mask=real, other=0.0)
    flow = a_row * 0
    total = tl.sum(flow)
    last = tl.minimum((segment + 1) * share, chunks) - 1
    for index in range(last + 1 - segment * share):
        t = (last - index) * STEPS + rows
        valid = t < length
        at = position(t, k, length, height, width, MAP, REVERSE)
        dt, _ = step_sizes(
            step,
            weight,
            bias,
            b,
            k,
            d,
            t,
            length,
            height,
            width,
            K,
            D,
            R,
            E,
            MAP,
            REVERSE,
            BIAS,
            SOFT,
        )
        tile = b * m_b + k * m_k + at[:, None] * m_l + n[None, :] * m_n
        c = tl.load(C + tile, mask=valid[:, None] & real[None, :], other=0.0)
        out = tl.load(dy + b * y_b + k * y_k + d * y_d + at * y_l, mask=valid, other=0.0)
        a = tl.exp(dt[:, None] * a_row[None, :])
        scaled, local = tl.associative_scan((a, a * c * out[:, None]), 0, compose, reverse=True)
        whole = local + scaled * flow[None, :]
        flow = tl.sum(tl.where(rows[:, None] == 0, whole, 0.0), 0)
        total += tl.sum(dt)
    place = (((b * K + k) * D + d) * segments + segment) * N + n
    tl.store(end + place, flow, mask=real)
    tl.store(decay + place, tl.exp(a_row * total), mask=real)


@triton.jit
def backward(
    u, dy, step, weight, bias, A, B, C, skip, carry, flows, d_A, d_u, d_raw, d_B, d_C,
    u_b, u_k, u_d, u_l, y_b, y_k, y_d, y_l, m_b, m_k, m_n, m_l,
    r_b, r_k, r_d, r_l, g_b, g_k, g_d, g_l,
    batch, length, height, width, K, D, R, E, N, chunks, share, block,
    N2: tl.constexpr, MAP: tl.constexpr, REVERSE: tl.constexpr, BIAS: tl.constexpr,
    SOFT: tl.constexpr, SKIP: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """All gradients of a block of channels over a segment; d_B, d_C (blocks, B, K, L, N) are parts.

    Strides: y_ of dy, r_ of d_raw, g_ of d_u. `flows` holds what comes from the next segment, then
    from chunk to chunk; `d_A` is (B, K, D, segments, N) and starts at zero.
    """
    b, k = (tl.program_id(0) // K).to(tl.int64), (tl.program_id(0) % K).to(tl.int64)
    part, segment, segments = tl.program_id(1), tl.program_id(2), tl.num_programs(2)
    n, rows = tl.arange(0, N2), tl.arange(0, STEPS)
    real = n < N
    last = tl.minimum((segment + 1) * share, chunks) - 1
    for index in range(last + 1 - segment * share):
        chunk = last - index
        t = chunk * STEPS + rows
        valid = t < length
        at = position(t, k, length, height, width, MAP, REVERSE)
        tile = b * m_b + k * m_k + at[:, None] * m_l + n[None, :] * m_n
        inside = valid[:, None] & real[None, :]
        b_tile = tl.load(B + tile, mask=inside, other=0.0)
        c_tile = tl.load(C + tile, mask=inside, other=0.0)
        sum_b, sum_c = b_tile * 0, c_tile * 0
        for d in range(part * block, tl.minimum((part + 1) * block, D)):
            a_row = tl.load(A + (k * D + d) * N + n, mask=real, other=0.0)
            dt, slope = step_sizes(
                step, weight, bias, b, k, d, t, length, height, width, K, D, R, E,
                MAP, REVERSE, BIAS, SOFT,
            )  # fmt: skip
            later, _ = step_sizes(
                step, weight, bias, b, k, d, t + 1, length, height, width, K, D, R, E,
                MAP, REVERSE, BIAS, SOFT,
            )  # fmt: skip
            later = tl.where(rows == STEPS - 1, 0.0, later)
            value = tl.load(u + b * u_b + k * u_k + d * u_d + at * u_l, mask=valid, other=0.0)
            out = tl.load(dy + b * y_b + k * y_k + d * y_d + at * y_l, mask=valid, other=0.0)
            # the states again, from the kept one
            kept = carry + (carry_row(b, k, d, batch, K, D, MAP) * chunks + chunk) * N + n
            power = dt[:, None] * a_row[None, :]
            a, drive = tl.exp(power), (dt * value)[:, None] * b_tile
            scaled, local = tl.associative_scan((a, drive), 0, compose)
            states = scaled * tl.load(kept, mask=real, other=0.0)[None, :] + local
            # g = dL/dh, from the last step to the first
            place = (((b * K + k) * D + d) * segments + segment) * N + n
            flow = tl.load(flows + place, mask=real, other=0.0)
            a_later = tl.exp(later[:, None] * a_row[None, :])
            scaled, local = tl.associative_scan(
                (a_later, c_tile * out[:, None]), 0, compose, reverse=True
            )
            g = local + scaled * flow[None, :]
            tl.debug_barrier()
            first = tl.where(rows[:, None] == 0, a * g, 0.0)
            tl.store(flows + place, tl.sum(first, 0), mask=real)
            # a h_{t-1} is h - x, but where the decay leaves nothing the difference is noise
            q = g * tl.where(power > -16, states - drive, 0.0)
            through = tl.sum(g * b_tile, 1)
            d_dt = tl.sum(q * a_row[None, :], 1) + through * value
            d_value = through * dt
            if SKIP:
                d_value += tl.load(skip + k * D + d) * out
            tl.store(d_raw + b * r_b + k * r_k + d * r_d + at * r_l, d_dt * slope, mask=valid)
            tl.store(d_u + b * g_b + k * g_k + d * g_d + at * g_l, d_value, mask=valid)
            grown = tl.load(d_A + place, mask=real, other=0.0) + tl.sum(q * dt[:, None], 0)
            tl.debug_barrier()
            tl.store(d_A + place, grown, mask=real)
            tl.debug_barrier()
            sum_b += g * (dt * value)[:, None]
            sum_c += states * out[:, None]
        lines = ((part * batch + b) * K + k) * length + at
        tl.store(d_B + lines[:, None] * N + n[None, :], sum_b, mask=inside)
        tl.store(d_C + lines[:, None] * N + n[None, :], sum_c, mask=inside)
