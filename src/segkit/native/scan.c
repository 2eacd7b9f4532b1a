/* lanes: compiled once per vector width. The selective scan, forward and backward.
 *
 * A task is (sample, group, block of channels). How many blocks there are depends on the problem only, so
 * results do not depend on the number of threads. dB and dC of the blocks are summed by the caller. */
#include "chunk.h"
#include "problems.h"

struct task {
    int64_t sample, group, block, first, count; /* channels first .. first + count - 1 */
    int padded;
};

static struct task nth_task(const struct scan *p, int64_t index)
{
    struct task task;
    int64_t size = p->channels / p->groups;
    task.block = index % p->blocks;
    task.group = index / p->blocks % p->groups;
    task.sample = index / p->blocks / p->groups;
    task.first = task.group * size + task.block * p->width;
    task.count = lesser(p->width, size - task.block * p->width);
    task.padded = (int)ROUND_UP(p->state, LANES);
    return task;
}

/* Where logical steps [start, start + valid) lie in memory, the lowest address. */
static int64_t offset(const struct scan *p, int64_t start, int valid)
{
    return p->reverse ? p->length - start - valid : start;
}

/* Some steps of a row, in the order of the scan. */
static void read_row(const float *row, int valid, int reverse, float *to)
{
    if (reverse)
        for (int t = 0; t < valid; t++)
            to[t] = row[valid - 1 - t];
    else
        memcpy(to, row, (size_t)valid * sizeof(float));
}

static void write_row(const float *from, int valid, int reverse, float *row)
{
    read_row(from, valid, reverse, row);
}

/* A chunk of B or C as a tile [t][n]; the lanes beyond N stay zero. */
static void read_tile(const struct scan *p, const struct task *task, const float *from, int64_t start,
                      int valid, float *rows, float *tile)
{
    int64_t base = (task->sample * p->groups + task->group) * p->state;
    int steps = ROUND_UP(valid, LANES);
    for (int n = 0; n < p->state; n++) {
        float *row = rows + n * CHUNK;
        read_row(from + (base + n) * p->length + offset(p, start, valid), valid, (int)p->reverse, row);
        for (int t = valid; t < steps; t++)
            row[t] = 0;
    }
    for (int n = 0; n < task->padded; n += LANES)
        for (int t = 0; t < steps; t += LANES)
            transpose(rows + n * CHUNK + t, CHUNK, tile + t * task->padded + n, task->padded);
}

/* The way back, into the part of this block of channels. */
static void write_tile(const struct scan *p, const struct task *task, float *to, int64_t start, int valid,
                       float *rows, const float *tile)
{
    int64_t sample = task->block * p->batch + task->sample;
    int64_t base = (sample * p->groups + task->group) * p->state;
    int steps = ROUND_UP(valid, LANES);
    for (int n = 0; n < task->padded; n += LANES)
        for (int t = 0; t < steps; t += LANES)
            transpose(tile + t * task->padded + n, task->padded, rows + n * CHUNK + t, CHUNK);
    for (int n = 0; n < p->state; n++)
        write_row(rows + n * CHUNK, valid, (int)p->reverse,
                  to + (base + n) * p->length + offset(p, start, valid));
}

/* The rows of one channel over one chunk. */
struct rows {
    float *u, *raw, *dt, *slope, *x, *y, *d_x, *d_dt;
};

static void take_rows(struct rows *rows, float **rest)
{
    float **each[] = {&rows->u, &rows->raw, &rows->dt, &rows->slope,
                      &rows->x, &rows->y,   &rows->d_x, &rows->d_dt};
    for (int i = 0; i < 8; i++)
        *each[i] = take(rest, CHUNK);
}

static void read_channel(const struct scan *p, int64_t at, int64_t channel, int valid, struct rows *rows)
{
    int steps = ROUND_UP(valid, LANES);
    float bias = p->bias ? p->bias[channel] : 0;
    read_row(p->u + at, valid, (int)p->reverse, rows->u);
    read_row(p->delta + at, valid, (int)p->reverse, rows->raw);
    for (int t = 0; t < valid; t++)
        rows->raw[t] += bias;
    for (int t = valid; t < steps; t++)
        rows->u[t] = rows->raw[t] = 0;
    step_sizes(steps, valid, (int)p->soft, rows->raw, rows->dt, rows->slope);
    for (int t = 0; t < steps; t++)
        rows->x[t] = rows->dt[t] * rows->u[t];
}

/* Ask for the chunk of the next channel while this one is computed: rows are far apart in memory. */
static void fetch(const float *const *arrays, int count, int64_t at)
{
    for (int i = 0; i < count; i++)
        for (int line = 0; line <= CHUNK; line += 16)
            __builtin_prefetch(arrays[i] + at + line);
}

/* A and A log2(e) of the task's channels, padded with zeros. */
static void read_decays(const struct scan *p, const struct task *task, float *A, float *A2)
{
    for (int64_t d = 0; d < task->count; d++)
        for (int64_t n = 0; n < p->state; n++) {
            float a = p->A[(task->first + d) * p->state + n];
            A[d * task->padded + n] = a;
            A2[d * task->padded + n] = a * LOG2E;
        }
}

static void forward_task(const struct scan *p, const struct task *task, float *rest)
{
    int padded = task->padded;
    int64_t chunks = (p->length + CHUNK - 1) / CHUNK;
    float *A = take(&rest, task->count * padded), *A2 = take(&rest, task->count * padded);
    float *state = take(&rest, task->count * padded), *scratch = take(&rest, (int64_t)padded * CHUNK);
    float *B = take(&rest, (int64_t)padded * CHUNK), *C = take(&rest, (int64_t)padded * CHUNK);
    struct rows rows;
    take_rows(&rows, &rest);
    read_decays(p, task, A, A2);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        int64_t start = chunk * CHUNK;
        int valid = (int)lesser(CHUNK, p->length - start), steps = ROUND_UP(valid, LANES);
        read_tile(p, task, p->B, start, valid, scratch, B);
        read_tile(p, task, p->C, start, valid, scratch, C);
        for (int64_t d = 0; d < task->count; d++) {
            int64_t channel = task->first + d, row = task->sample * p->channels + channel;
            int64_t at = row * p->length + offset(p, start, valid);
            float skip = p->D ? p->D[channel] : 0;
            const float *const next[] = {p->u, p->delta, p->y};
            fetch(next, 3, at + p->length);
            read_channel(p, at, channel, valid, &rows);
            if (p->carry)
                memcpy(p->carry + (row * chunks + chunk) * p->state, state + d * padded,
                       (size_t)p->state * sizeof(float));
            forward_channel(steps, padded, rows.dt, rows.x, B, C, A2 + d * padded, state + d * padded,
                            rows.y);
            for (int t = 0; t < valid; t++)
                rows.y[t] += skip * rows.u[t];
            write_row(rows.y, valid, (int)p->reverse, p->y + at);
        }
    }
}

/* From d_x and d_dt to the gradients of u and delta, D and bias. */
static void finish_channel(const struct scan *p, int64_t channel, int64_t row, int64_t at, int valid,
                           const float *dy, struct rows *rows)
{
    int steps = ROUND_UP(valid, LANES);
    float skip = p->D ? p->D[channel] : 0;
    p->d_D[row] += dot(steps, dy, rows->u);
    for (int t = 0; t < steps; t++) {
        float d_dt = (rows->d_dt[t] + rows->d_x[t] * rows->u[t]) * rows->slope[t];
        rows->d_x[t] = rows->d_x[t] * rows->dt[t] + skip * dy[t];
        rows->d_dt[t] = d_dt;
        rows->raw[t] = t < valid;
    }
    p->d_bias[row] += dot(steps, rows->d_dt, rows->raw);
    write_row(rows->d_x, valid, (int)p->reverse, p->d_u + at);
    write_row(rows->d_dt, valid, (int)p->reverse, p->d_delta + at);
}

static void backward_task(const struct scan *p, const struct task *task, float *rest)
{
    int padded = task->padded;
    int64_t chunks = (p->length + CHUNK - 1) / CHUNK, tile = (int64_t)padded * CHUNK;
    float *A = take(&rest, task->count * padded), *A2 = take(&rest, task->count * padded);
    float *flow = take(&rest, task->count * padded), *scratch = take(&rest, tile);
    float *B = take(&rest, tile), *C = take(&rest, tile);
    float *d_B = take(&rest, tile), *d_C = take(&rest, tile);
    float *start_state = take(&rest, padded), *dy = take(&rest, CHUNK);
    struct rows rows;
    take_rows(&rows, &rest);
    read_decays(p, task, A, A2);
    for (int64_t chunk = chunks - 1; chunk >= 0; chunk--) {
        int64_t start = chunk * CHUNK;
        int valid = (int)lesser(CHUNK, p->length - start), steps = ROUND_UP(valid, LANES);
        read_tile(p, task, p->B, start, valid, scratch, B);
        read_tile(p, task, p->C, start, valid, scratch, C);
        memset(d_B, 0, (size_t)tile * sizeof(float));
        memset(d_C, 0, (size_t)tile * sizeof(float));
        for (int64_t d = 0; d < task->count; d++) {
            int64_t channel = task->first + d, row = task->sample * p->channels + channel;
            int64_t at = row * p->length + offset(p, start, valid);
            const float *const next[] = {p->u, p->delta, p->dy, p->d_u, p->d_delta};
            fetch(next, 5, at + p->length);
            read_channel(p, at, channel, valid, &rows);
            read_row(p->dy + at, valid, (int)p->reverse, dy);
            for (int t = valid; t < steps; t++)
                dy[t] = 0;
            memcpy(start_state, p->carry + (row * chunks + chunk) * p->state,
                   (size_t)p->state * sizeof(float));
            struct channel one = {rows.dt, rows.x, dy, B, C, A + d * padded, A2 + d * padded, start_state,
                                  flow + d * padded, d_B, d_C, rows.d_x, rows.d_dt,
                                  p->d_A + row * p->state};
            backward_channel(steps, padded, (int)p->state, &one);
            finish_channel(p, channel, row, at, valid, dy, &rows);
        }
        write_tile(p, task, p->d_B, start, valid, scratch, d_B);
        write_tile(p, task, p->d_C, start, valid, scratch, d_C);
    }
}

/* Draw tasks until there are none. Returns 1 when there is no memory. */
static int work(const struct scan *p, int64_t *counter,
                void (*task_of)(const struct scan *, const struct task *, float *))
{
    int64_t tasks = p->batch * p->groups * p->blocks, padded = ROUND_UP(p->state, LANES);
    int64_t floats = 3 * (p->width * padded + 16) + 6 * padded * CHUNK + 10 * CHUNK + padded + 256;
    unsigned before = flush_tiny();
    int64_t index;
    int failed = 0;
    while (!failed && (index = draw(counter)) < tasks) {
        struct task task = nth_task(p, index);
        float *memory = workspace(floats);
        failed = memory == NULL;
        if (memory)
            task_of(p, &task, memory);
        free(memory);
    }
    restore_tiny(before);
    return failed;
}

EXPORT int NAME(segkit_scan)(const struct scan *p, int64_t *counter)
{
    return work(p, counter, forward_task);
}

EXPORT int NAME(segkit_scan_backward)(const struct scan *p, int64_t *counter)
{
    return work(p, counter, backward_task);
}
