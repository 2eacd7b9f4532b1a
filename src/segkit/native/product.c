/* lanes: compiled once per vector width. The two matrix products around the SS2D scans, and sums of parts.
 *
 * Each sum runs in one fixed order whoever computes it, which a BLAS library does not promise. */
#include "chunk.h"
#include "problems.h"

#define ROWS 4  /* rows of a register tile */
#define WIDE 2  /* its vectors */
#define BLOCK 64 /* rows of a task, and rows summed in float before they go to double */

INLINE void product_tile(const struct product *p, const float *const *a, const float *w, float *to,
                         int64_t stride)
{
    vf sum[ROWS][WIDE] = {{{0}}};
    for (int64_t k = 0; k < p->inner; k++, w += p->padded)
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 8
            for (int v = 0; v < WIDE; v++)
                sum[r][v] += load_loose(w + v * LANES) * a[r][k];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < WIDE; v++)
            store(to + r * stride + v * LANES, sum[r][v]);
}

static void product_block(const struct product *p, int64_t first, float *tile)
{
    for (int64_t row = first; row < lesser(first + BLOCK, p->rows); row += ROWS) {
        int64_t valid = lesser(ROWS, p->rows - row);
        const float *a[ROWS];
        for (int64_t r = 0; r < ROWS; r++)
            a[r] = p->a + (row + lesser(r, valid - 1)) * p->inner;
        for (int64_t c = 0; c < p->padded; c += WIDE * LANES)
            product_tile(p, a, p->w + c, tile + c, p->padded);
        for (int64_t r = 0; r < valid; r++) {
            float *to = p->out + (row + r) * p->cols;
            const float *from = tile + r * p->padded;
            for (int64_t c = 0; c < p->cols; c++)
                to[c] = p->add ? to[c] + from[c] : from[c];
        }
    }
}

EXPORT int NAME(segkit_product)(const struct product *p, int64_t *counter)
{
    int64_t tasks = (p->rows + BLOCK - 1) / BLOCK, index;
    float *tile = workspace(ROWS * p->padded);
    if (!tile)
        return 1;
    while ((index = draw(counter)) < tasks)
        product_block(p, index * BLOCK, tile);
    free(tile);
    return 0;
}

/* out (parts, m, n): a (rows, m) transposed times b (rows, n), for `parts` runs of
 * rows; the caller adds the parts. */
struct outer {
    const float *a, *b;
    double *out;
    int64_t rows, m, n, parts;
};

INLINE void outer_tile(int64_t rows, const float *a, int64_t m, int64_t count, const float *b,
                       int64_t padded, double *out, int64_t n, int64_t wide)
{
    vf sum[ROWS][WIDE] = {{{0}}};
    for (int64_t row = 0; row < rows; row++, a += m, b += padded)
#pragma GCC unroll 8
        for (int64_t i = 0; i < ROWS; i++) {
            float factor = a[lesser(i, count - 1)];
#pragma GCC unroll 8
            for (int v = 0; v < WIDE; v++)
                sum[i][v] += load(b + v * LANES) * factor;
        }
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < wide; c++)
            out[i * n + c] += sum[i][c / LANES][c % LANES];
}

static void outer_block(const struct outer *p, int64_t first, int64_t rows, float *tile, double *out)
{
    int64_t padded = ROUND_UP(p->n, WIDE * LANES);
    for (int64_t row = 0; row < rows; row++)
        memcpy(tile + row * padded, p->b + (first + row) * p->n, (size_t)p->n * sizeof(float));
    for (int64_t i = 0; i < p->m; i += ROWS)
        for (int64_t c = 0; c < p->n; c += WIDE * LANES)
            outer_tile(rows, p->a + first * p->m + i, p->m, lesser(ROWS, p->m - i), tile + c, padded,
                       out + i * p->n + c, p->n, lesser(WIDE * LANES, p->n - c));
}

EXPORT int NAME(segkit_outer)(const struct outer *p, int64_t *counter)
{
    int64_t blocks = (p->rows + BLOCK - 1) / BLOCK, index;
    int64_t share = p->parts ? (blocks + p->parts - 1) / p->parts : 0;
    float *tile = workspace(BLOCK * ROUND_UP(p->n, WIDE * LANES));
    if (!tile)
        return 1;
    while ((index = draw(counter)) < p->parts) {
        memset(p->out + index * p->m * p->n, 0, (size_t)(p->m * p->n) * sizeof(double));
        for (int64_t block = index * share; block < lesser((index + 1) * share, blocks); block++)
            outer_block(p, block * BLOCK, lesser(BLOCK, p->rows - block * BLOCK), tile,
                        p->out + index * p->m * p->n);
    }
    free(tile);
    return 0;
}

EXPORT int NAME(segkit_add)(const struct adding *p, int64_t *counter)
{
    int64_t tasks = (p->size + p->share - 1) / p->share, index;
    while ((index = draw(counter)) < tasks) {
        int64_t first = index * p->share, size = lesser(p->share, p->size - first);
        memcpy(p->out + first, p->parts + first, (size_t)size * sizeof(float));
        for (int64_t k = 1; k < p->count; k++)
            for (int64_t i = first; i < first + size; i++)
                p->out[i] += p->parts[k * p->size + i];
    }
    return 0;
}
