/* One channel over one chunk of the sequence: the inner loops that scan.c and ss2d.c share.
 *
 * Lanes run over the states n, so any number of channels is efficient. Tiles are time first: B and C are
 * [CHUNK][padded], with zeros beyond N; steps beyond the end have dt = x = 0 and change nothing. */
#ifndef SEGKIT_CHUNK_H
#define SEGKIT_CHUNK_H

#include <stdlib.h>

#include "lanes.h"

#define CHUNK 64 /* steps between two kept states, CHUNK in segkit/ops/arguments.py */
#define ROUND_UP(x, m) (((x) + (m) - 1) / (m) * (m))

INLINE int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* The next task number, shared by all threads. */
INLINE int64_t draw(int64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* One piece of a workspace, whole cache lines. */
INLINE float *take(float **rest, int64_t count)
{
    float *piece = *rest;
    *rest += ROUND_UP(count, 16);
    return piece;
}

INLINE float *workspace(int64_t floats)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (size_t)(floats + 16) * sizeof(float)))
        return NULL;
    memset(memory, 0, (size_t)(floats + 16) * sizeof(float));
    return memory;
}

/* The sums across lanes of `steps` vectors, written to `to` or, from the second block on, added. */
INLINE void put_sums(int steps, int block, const vf *products, float *to)
{
    for (int t = 0; t < steps; t += LANES) {
        vf total = sums(products + t);
        if (block)
            total += load(to + t);
        store(to + t, total);
    }
}

INLINE void forward_states(int steps, int padded, const float *restrict dt, const float *restrict x,
                           const float *restrict B, const float *restrict C, const float *A2, float *state,
                           float *restrict y)
{
    vf products[CHUNK];
    for (int block = 0; block < padded; block += LANES) {
        vf h = load(state + block), a2 = load(A2 + block);
        for (int t = 0; t < steps; t++) {
            vf drive = load(B + t * padded + block) * x[t];
            h = exp2v(a2 * dt[t]) * h + drive;
            products[t] = h * load(C + t * padded + block);
        }
        store(state + block, h);
        put_sums(steps, block, products, y);
    }
}

/* y (steps) and the new state of one channel. `steps` is a multiple of LANES. A2 = A log2(e). */
static void forward_channel(int steps, int padded, const float *dt, const float *x, const float *B,
                            const float *C, const float *A2, float *state, float *y)
{
    if (padded == 16)
        forward_states(steps, 16, dt, x, B, C, A2, state, y);
    else
        forward_states(steps, padded, dt, x, B, C, A2, state, y);
}

/* Gradients of one channel over one chunk. In: the state before the chunk and the flow dL/dh that comes
 * back from the next one (replaced by what this one passes on). Out: dB and dC tiles (added to),
 * d_x = dL/d(dt u), d_dt (through the decays only), d_A (added to, in double). */
struct channel {
    const float *dt, *x, *dy, *B, *C, *A, *A2, *start;
    float *flow, *d_B, *d_C, *d_x, *d_dt;
    double *d_A;
};

/* From the decays and states of a block to everything else; the products whose sums across lanes are d_x and
 * d_dt take the place of decays and states, so that all tiles stay in the first-level cache. */
INLINE vf backward_block(int steps, int padded, int block, const struct channel *c, vf *restrict decay,
                         vf *restrict state)
{
    const float *restrict dt = c->dt, *restrict x = c->x, *restrict dy = c->dy;
    const float *restrict B = c->B + block, *restrict C = c->C + block;
    float *restrict d_B = c->d_B + block, *restrict d_C = c->d_C + block;
    vf a = load(c->A + block), flow = load(c->flow + block), d_A = {0};
    for (int t = steps - 1; t >= 0; t--) {
        int64_t at = (int64_t)t * padded;
        vf g = load(C + at) * dy[t] + flow;
        store(d_C + at, load(d_C + at) + state[t + 1] * dy[t]);
        store(d_B + at, load(d_B + at) + g * x[t]);
        flow = decay[t] * g;
        vf q = flow * state[t];
        d_A += q * dt[t];
        decay[t] = g * load(B + at);
        state[t + 1] = q * a;
    }
    store(c->flow + block, flow);
    return d_A;
}

INLINE void backward_states(int steps, int padded, int count, const struct channel *c)
{
    vf decay[CHUNK], state[CHUNK + 1];
    for (int block = 0; block < padded; block += LANES) {
        const float *restrict dt = c->dt, *restrict x = c->x, *restrict B = c->B + block;
        vf a2 = load(c->A2 + block), h = load(c->start + block);
        state[0] = h;
        for (int t = 0; t < steps; t++) {
            vf drive = load(B + t * padded) * x[t];
            decay[t] = exp2v(a2 * dt[t]);
            h = decay[t] * h + drive;
            state[t + 1] = h;
        }
        vf d_A = backward_block(steps, padded, block, c, decay, state);
        for (int n = 0; n < LANES && block + n < count; n++)
            c->d_A[block + n] += d_A[n];
        put_sums(steps, block, decay, c->d_x);
        put_sums(steps, block, state + 1, c->d_dt);
    }
}

static void backward_channel(int steps, int padded, int count, const struct channel *c)
{
    if (padded == 16)
        backward_states(steps, 16, count, c);
    else
        backward_states(steps, padded, count, c);
}

/* Softplus (if asked) of `raw` and its slope; zeros beyond `valid`. */
static void step_sizes(int steps, int valid, int soft, const float *raw, float *dt, float *slope)
{
    for (int t = 0; t < steps; t += LANES) {
        vf r = load(raw + t), gain = splat(1.0f);
        store(dt + t, soft ? softplus(r, &gain) : r);
        store(slope + t, gain);
    }
    for (int t = valid; t < steps; t++)
        dt[t] = slope[t] = 0;
}

/* The sum of `a * b` over a chunk, in double across lanes. */
static double dot(int steps, const float *a, const float *b)
{
    vf total = {0};
    double sum = 0;
    for (int t = 0; t < steps; t += LANES)
        total += load(a + t) * load(b + t);
    for (int i = 0; i < LANES; i++)
        sum += total[i];
    return sum;
}

#endif
