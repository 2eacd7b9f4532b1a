/* lanes: compiled once per vector width. The core of SS2D: four directions over a map, merged.
 *
 * The 1x1 projection is done before, once per pixel, since it commutes with the order of the pixels; here an
 * index map stands for permutes and flips. A task is (sample, pair, block of channels): pair 0 reads rows, pair
 * 1 columns, each forwards and then backwards into its own plane. The caller adds the planes. */
#include "chunk.h"
#include "problems.h"

/* A task, and the direction that it is working on. */
struct job {
    const struct ss2d *p;
    int64_t sample, pair, block, first, count; /* channels first .. first + count - 1 */
    int64_t length, chunks, entry;             /* entry: floats of one direction's projection */
    int64_t direction, pass;
    int padded, wide; /* N and the block's width, rounded up to lanes */
    int64_t pixel[CHUNK], ahead[CHUNK];
    int valid, steps;
};

/* Everything that a task works with; see the sizes in `prepare`. */
struct tiles {
    float *A, *A2, *state, *B, *C, *d_B, *d_C, *low, *d_low;
    float *rows, *u, *y, *dy, *raw, *dt, *slope, *x, *d_x, *d_dt, *start;
};

static int64_t pixel_of(const struct job *j, int64_t step)
{
    int64_t at = j->pass ? j->length - 1 - step : step;
    if (!j->pair)
        return at;
    return at % j->p->height * j->p->width + at / j->p->height;
}

/* Point the job at a chunk and ask for the memory of the one after it. */
static void visit(struct job *j, int64_t chunk, int64_t next)
{
    const struct ss2d *p = j->p;
    int64_t start = chunk * CHUNK, sample = j->sample * j->length;
    j->valid = (int)lesser(CHUNK, j->length - start);
    j->steps = ROUND_UP(j->valid, LANES);
    for (int t = 0; t < j->valid; t++)
        j->pixel[t] = sample + pixel_of(j, start + t);
    if (next < 0 || next >= j->chunks)
        return;
    for (int64_t t = next * CHUNK; t < lesser(next * CHUNK + CHUNK, j->length); t++) {
        int64_t at = sample + pixel_of(j, t);
        const float *entry = p->proj + (at * 4 + j->direction) * j->entry;
        for (int64_t line = 0; line < j->entry; line += 16)
            __builtin_prefetch(entry + line);
        __builtin_prefetch(p->x + at * p->channels + j->first);
        if (p->dy)
            __builtin_prefetch(p->dy + at * p->channels + j->first);
    }
}

/* The block's channels of a map at the chunk's pixels, as rows [channel][step]. */
static void gather(const struct job *j, const float *map, float *rows, float *to)
{
    size_t bytes = (size_t)j->count * sizeof(float);
    for (int t = 0; t < j->valid; t++)
        memcpy(rows + t * j->wide, map + j->pixel[t] * j->p->channels + j->first, bytes);
    for (int t = j->valid; t < j->steps; t++)
        memset(rows + t * j->wide, 0, bytes);
    for (int d = 0; d < j->wide; d += LANES)
        for (int t = 0; t < j->steps; t += LANES)
            transpose(rows + t * j->wide + d, j->wide, to + d * CHUNK + t, CHUNK);
}

/* The way back into this pair's plane: the first pass writes, the second adds. */
static void scatter(const struct job *j, const float *from, float *rows)
{
    const struct ss2d *p = j->p;
    float *plane = p->planes + j->pair * p->batch * j->length * p->channels;
    for (int d = 0; d < j->wide; d += LANES)
        for (int t = 0; t < j->steps; t += LANES)
            transpose(from + d * CHUNK + t, CHUNK, rows + t * j->wide + d, j->wide);
    for (int t = 0; t < j->valid; t++) {
        float *to = plane + j->pixel[t] * p->channels + j->first;
        const float *row = rows + t * j->wide;
        if (j->pass)
            for (int64_t d = 0; d < j->count; d++)
                to[d] += row[d];
        else
            memcpy(to, row, (size_t)j->count * sizeof(float));
    }
}

/* Step sizes' low rank part [r][step], and B and C as tiles [step][n]. */
static void gather_projection(const struct job *j, struct tiles *s)
{
    const struct ss2d *p = j->p;
    size_t bytes = (size_t)p->state * sizeof(float);
    for (int t = 0; t < j->valid; t++) {
        const float *from = p->proj + (j->pixel[t] * 4 + j->direction) * j->entry;
        for (int64_t r = 0; r < p->rank; r++)
            s->low[r * CHUNK + t] = from[r];
        memcpy(s->B + t * j->padded, from + p->rank, bytes);
        memcpy(s->C + t * j->padded, from + p->rank + p->state, bytes);
    }
    for (int t = j->valid; t < j->steps; t++) {
        for (int64_t r = 0; r < p->rank; r++)
            s->low[r * CHUNK + t] = 0;
        memset(s->B + t * j->padded, 0, bytes);
        memset(s->C + t * j->padded, 0, bytes);
    }
}

static void scatter_projection(const struct job *j, const struct tiles *s)
{
    const struct ss2d *p = j->p;
    int64_t part = j->block * p->batch * j->length;
    size_t bytes = (size_t)p->state * sizeof(float);
    for (int t = 0; t < j->valid; t++) {
        float *to = p->d_proj + ((part + j->pixel[t]) * 4 + j->direction) * j->entry;
        for (int64_t r = 0; r < p->rank; r++)
            to[r] = s->d_low[r * CHUNK + t];
        memcpy(to + p->rank, s->d_B + t * j->padded, bytes);
        memcpy(to + p->rank + p->state, s->d_C + t * j->padded, bytes);
    }
}

/* dt, its slope and x = dt u of the block's channel d. */
static void sizes_of(const struct job *j, int64_t d, struct tiles *s)
{
    const struct ss2d *p = j->p;
    int64_t row = j->direction * p->channels + j->first + d;
    const float *weight = p->w_dt + row * p->rank, *u = s->u + d * CHUNK;
    for (int t = 0; t < j->steps; t += LANES) {
        vf raw = splat(p->bias[row]);
        for (int64_t r = 0; r < p->rank; r++)
            raw += load(s->low + r * CHUNK + t) * weight[r];
        store(s->raw + t, raw);
    }
    step_sizes(j->steps, j->valid, 1, s->raw, s->dt, s->slope);
    for (int t = 0; t < j->steps; t += LANES)
        store(s->x + t, load(s->dt + t) * load(u + t));
}

/* Where the state before a chunk is kept. */
static float *kept(const struct job *j, int64_t d, int64_t chunk)
{
    const struct ss2d *p = j->p;
    int64_t row = (j->pass * p->batch + j->sample) * 2 + j->pair;
    return p->carry + ((row * p->channels + j->first + d) * j->chunks + chunk) * p->state;
}

static void begin_direction(struct job *j, int64_t pass, struct tiles *s)
{
    const struct ss2d *p = j->p;
    j->pass = pass;
    j->direction = j->pair + 2 * pass;
    memset(s->state, 0, (size_t)(j->count * j->padded) * sizeof(float));
    for (int64_t d = 0; d < j->count; d++)
        for (int64_t n = 0; n < p->state; n++) {
            float a = p->A[(j->direction * p->channels + j->first + d) * p->state + n];
            s->A[d * j->padded + n] = a;
            s->A2[d * j->padded + n] = a * LOG2E;
        }
}

static void forward_chunk(const struct job *j, int64_t chunk, struct tiles *s)
{
    const struct ss2d *p = j->p;
    gather(j, p->x, s->rows, s->u);
    gather_projection(j, s);
    for (int64_t d = 0; d < j->count; d++) {
        float skip = p->D[j->direction * p->channels + j->first + d];
        float *y = s->y + d * CHUNK, *state = s->state + d * j->padded;
        sizes_of(j, d, s);
        if (p->carry)
            memcpy(kept(j, d, chunk), state, (size_t)p->state * sizeof(float));
        forward_channel(j->steps, j->padded, s->dt, s->x, s->B, s->C, s->A2 + d * j->padded, state, y);
        for (int t = 0; t < j->steps; t += LANES)
            store(y + t, load(y + t) + load(s->u + d * CHUNK + t) * skip);
    }
    scatter(j, s->y, s->rows);
}

/* From d_x and d_dt of channel d to the gradients of u, of the low rank part and of the weights. */
static void finish_channel(const struct job *j, int64_t d, struct tiles *s)
{
    const struct ss2d *p = j->p;
    int64_t row = j->direction * p->channels + j->first + d;
    int64_t out = j->sample * 4 * p->channels + row;
    const float *u = s->u + d * CHUNK, *dy = s->dy + d * CHUNK, *weight = p->w_dt + row * p->rank;
    double bias = 0;
    for (int t = 0; t < j->steps; t += LANES) {
        vf d_x = load(s->d_x + t);
        vf d_raw = (load(s->d_dt + t) + d_x * load(u + t)) * load(s->slope + t);
        store(s->y + d * CHUNK + t, d_x * load(s->dt + t) + load(dy + t) * p->D[row]);
        store(s->raw + t, d_raw);
        for (int64_t r = 0; r < p->rank; r++) {
            float *low = s->d_low + r * CHUNK + t;
            store(low, load(low) + d_raw * weight[r]);
        }
        for (int i = 0; i < LANES; i++)
            bias += d_raw[i];
    }
    p->d_bias[out] += bias;
    p->d_D[out] += dot(j->steps, dy, u);
    for (int64_t r = 0; r < p->rank; r++)
        p->d_w_dt[out * p->rank + r] += dot(j->steps, s->raw, s->low + r * CHUNK);
}

static void backward_chunk(const struct job *j, int64_t chunk, struct tiles *s)
{
    const struct ss2d *p = j->p;
    size_t tile = (size_t)(j->padded * CHUNK) * sizeof(float);
    gather(j, p->x, s->rows, s->u);
    gather(j, p->dy, s->rows, s->dy);
    gather_projection(j, s);
    memset(s->d_B, 0, tile);
    memset(s->d_C, 0, tile);
    memset(s->d_low, 0, (size_t)(p->rank * CHUNK) * sizeof(float));
    for (int64_t d = 0; d < j->count; d++) {
        int64_t row = (j->sample * 4 + j->direction) * p->channels + j->first + d, at = d * j->padded;
        sizes_of(j, d, s);
        memcpy(s->start, kept(j, d, chunk), (size_t)p->state * sizeof(float));
        struct channel one = {s->dt, s->x, s->dy + d * CHUNK, s->B, s->C, s->A + at, s->A2 + at, s->start,
                              s->state + at, s->d_B, s->d_C, s->d_x, s->d_dt, p->d_A + row * p->state};
        backward_channel(j->steps, j->padded, (int)p->state, &one);
        finish_channel(j, d, s);
    }
    scatter(j, s->y, s->rows);
    scatter_projection(j, s);
}

static void forward_task(struct job *j, struct tiles *s)
{
    for (int64_t pass = 0; pass < 2; pass++) {
        begin_direction(j, pass, s);
        for (int64_t chunk = 0; chunk < j->chunks; chunk++) {
            visit(j, chunk, chunk + 1);
            forward_chunk(j, chunk, s);
        }
    }
}

static void backward_task(struct job *j, struct tiles *s)
{
    for (int64_t pass = 0; pass < 2; pass++) {
        begin_direction(j, pass, s);
        for (int64_t chunk = j->chunks - 1; chunk >= 0; chunk--) {
            visit(j, chunk, chunk - 1);
            backward_chunk(j, chunk, s);
        }
    }
}

static struct job nth_job(const struct ss2d *p, int64_t index)
{
    struct job j = {.p = p};
    j.block = index % p->blocks;
    j.pair = index / p->blocks % 2;
    j.sample = index / p->blocks / 2;
    j.first = j.block * p->block_width;
    j.count = lesser(p->block_width, p->channels - j.first);
    j.length = p->height * p->width;
    j.chunks = (j.length + CHUNK - 1) / CHUNK;
    j.entry = p->rank + 2 * p->state;
    j.padded = (int)ROUND_UP(p->state, LANES);
    j.wide = (int)ROUND_UP(j.count, LANES);
    return j;
}

/* Lay the tiles out in one workspace; NULL when there is no memory. */
static float *prepare(const struct ss2d *p, struct tiles *s)
{
    int64_t padded = ROUND_UP(p->state, LANES), wide = ROUND_UP(p->block_width, LANES);
    int64_t states = wide * padded, tile = padded * CHUNK, low = p->rank * CHUNK, rows = wide * CHUNK;
    int64_t sizes[] = {states, states, states, tile, tile, tile, tile, low, low, rows, rows, rows, rows,
                       CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, padded};
    float **each[] = {&s->A, &s->A2, &s->state, &s->B, &s->C, &s->d_B, &s->d_C, &s->low, &s->d_low, &s->rows,
                      &s->u, &s->y, &s->dy, &s->raw, &s->dt, &s->slope, &s->x, &s->d_x, &s->d_dt, &s->start};
    int count = (int)(sizeof(sizes) / sizeof(*sizes));
    int64_t floats = 0;
    for (int i = 0; i < count; i++)
        floats += ROUND_UP(sizes[i], 16);
    float *memory = workspace(floats), *rest = memory;
    for (int i = 0; memory && i < count; i++)
        *each[i] = take(&rest, sizes[i]);
    return memory;
}

/* Draw tasks until there are none. Returns 1 when there is no memory. */
static int work(const struct ss2d *p, int64_t *counter, void (*task)(struct job *, struct tiles *))
{
    int64_t tasks = p->batch * 2 * p->blocks, index;
    unsigned before = flush_tiny();
    int failed = 0;
    while (!failed && (index = draw(counter)) < tasks) {
        struct tiles tiles;
        struct job job = nth_job(p, index);
        float *memory = prepare(p, &tiles);
        failed = memory == NULL;
        if (memory)
            task(&job, &tiles);
        free(memory);
    }
    restore_tiny(before);
    return failed;
}

EXPORT int NAME(segkit_ss2d)(const struct ss2d *p, int64_t *counter)
{
    return work(p, counter, forward_task);
}

EXPORT int NAME(segkit_ss2d_backward)(const struct ss2d *p, int64_t *counter)
{
    return work(p, counter, backward_task);
}
