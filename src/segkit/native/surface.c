/* Contour distances of pairs of binary masks, exact, in one pass: counts, HD, HD95, ASSD, NSD.
 *
 * Per pair: crop to the foreground of both masks; take the contours (mask minus its erosion by the 3x3
 * cross, outside the image is background); a column pass gives, at every pixel of the crop, the distance
 * to the nearest contour pixel of the same column; a search along the row, only at the contour pixels of
 * the other mask, gives the squared distance as an integer. Column distances are bytes that saturate at
 * 255; a pair with a distance of 255 or more is done again with 16-bit cells.
 *
 * Masks are bytes 0 or 1, row-major. No global state: calls may run side by side.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIGURES 9 /* tp, foreground of p, foreground of t, contour of p, contour of t, hd, hd95, assd, nsd */
#define NEAR 255  /* a byte cell with this value says: this far or farther */
#define STEPS 16  /* cells that the row search looks at in one go, after the first few */
#define FIRST 4
#define PAD (NEAR + STEPS + 1) /* far cells beyond both ends of a row, so that the search needs no bounds */

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define LANES __attribute__((target_clones("avx2", "default")))
#else
#define LANES
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef struct {
    int64_t top, left, high, wide; /* crop */
    int64_t both, p, t;            /* foreground counts */
} Window;

typedef struct {
    int32_t *column;   /* columns of the contour pixels, in reading order */
    int64_t *start;    /* where each row of the crop begins in `column` */
    int64_t many;
} Contour;

/* Counts of a row of bytes 0/1, eight at a time; at most 255 words go into one accumulator. */
LANES static int row_counts(const uint8_t *p, const uint8_t *t, int64_t n, uint8_t *seen, int64_t *sums)
{
    int64_t i = 0;
    int any = 0;
    while (i + 8 <= n) {
        uint64_t a = 0, b = 0, c = 0;
        int64_t words = (n - i) / 8;
        if (words > 255) words = 255;
        for (int64_t k = 0; k < words; k++) {
            uint64_t x, y, z;
            memcpy(&x, p + i + 8 * k, 8);
            memcpy(&y, t + i + 8 * k, 8);
            memcpy(&z, seen + i + 8 * k, 8);
            a += x & y;
            b += x;
            c += y;
            z |= x | y;
            memcpy(seen + i + 8 * k, &z, 8);
        }
        any |= (b | c) != 0;
        for (int k = 0; k < 64; k += 8) {
            sums[0] += (a >> k) & 255;
            sums[1] += (b >> k) & 255;
            sums[2] += (c >> k) & 255;
        }
        i += 8 * words;
    }
    for (; i < n; i++) {
        sums[0] += p[i] & t[i];
        sums[1] += p[i];
        sums[2] += t[i];
        seen[i] |= p[i] | t[i];
        any |= p[i] | t[i];
    }
    return any;
}

static Window find_window(const uint8_t *p, const uint8_t *t, int64_t h, int64_t w, uint8_t *seen)
{
    int64_t sums[3] = {0, 0, 0}, top = h, bottom = -1, left = 0, right = w - 1;
    memset(seen, 0, (size_t)w);
    for (int64_t r = 0; r < h; r++) {
        if (row_counts(p + r * w, t + r * w, w, seen, sums)) {
            if (bottom < 0) top = r;
            bottom = r;
        }
    }
    while (left < w && !seen[left]) left++;
    while (right > left && !seen[right]) right--;
    Window found = {top, left, bottom - top + 1, right - left + 1, sums[0], sums[1], sums[2]};
    return found;
}

/* One row of the contour as bytes 0 or 255. `up` and `down` are rows of the mask, or zeros. */
LANES static void contour_row(const uint8_t *mask, const uint8_t *up, const uint8_t *down, int64_t n, uint8_t *edge)
{
    for (int64_t c = 1; c < n - 1; c++)
        edge[c] = (uint8_t)-(mask[c] & ~(up[c] & down[c] & mask[c - 1] & mask[c + 1]));
    edge[0] = (uint8_t)-mask[0];
    edge[n - 1] = (uint8_t)-mask[n - 1];
}

/* Append the columns of the row's contour pixels. */
static void collect(const uint8_t *edge, int64_t n, Contour *contour)
{
    int64_t c = 0, many = contour->many;
    for (; c + 8 <= n; c += 8) {
        uint64_t word;
        memcpy(&word, edge + c, 8);
        if (!word) continue;
        for (int k = 0; k < 8; k++) {
            contour->column[many] = (int32_t)(c + k);
            many += edge[c + k] & 1;
        }
    }
    for (; c < n; c++) {
        contour->column[many] = (int32_t)c;
        many += edge[c] & 1;
    }
    contour->many = many;
}


/* Column distances, downwards: zero on the contour, else one more than above. */
LANES static void sweep_down(const uint8_t *edge, const uint8_t *above, uint8_t *cell, int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        uint8_t next = (uint8_t)(above[c] + (above[c] != NEAR));
        cell[c] = next & (uint8_t)~edge[c];
    }
}

LANES static void sweep_up(const uint8_t *below, uint8_t *cell, int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        uint8_t next = (uint8_t)(below[c] + (below[c] != NEAR));
        cell[c] = next < cell[c] ? next : cell[c];
    }
}

LANES static void reverse(const uint8_t *line, uint8_t *mirrored, int64_t n)
{
    for (int64_t c = 0; c < n; c++) mirrored[n - 1 - c] = line[c];
}

/* Squared distances from the contour pixels of one row to the other contour. The line of column distances
 * and its mirror image have PAD far cells at both ends, `squares` holds k * k. Returns how many are NEAR
 * or farther, so that their value cannot be trusted. */
LANES static int64_t search_row(const uint8_t *line, const uint8_t *mirrored, int64_t n, const int32_t *column,
                                int64_t many, const uint32_t *squares, uint32_t *found)
{
    int64_t far = 0;
    for (int64_t i = 0; i < many; i++) {
        const uint8_t *right = line + column[i], *left = mirrored + (n - 1 - column[i]);
        uint32_t best = squares[right[0]];
        int k = 1;
        for (; k < FIRST && squares[k] < best; k++) {
            uint32_t square = squares[right[k] < left[k] ? right[k] : left[k]] + squares[k];
            best = square < best ? square : best;
        }
        for (; squares[k] < best; k += STEPS) {
            uint32_t low = UINT32_MAX;
            for (int j = 0; j < STEPS; j++) {
                uint32_t near = right[k + j] < left[k + j] ? right[k + j] : left[k + j];
                uint32_t square = near * near + squares[k + j];
                low = square < low ? square : low;
            }
            best = low < best ? low : best;
        }
        far += best >= NEAR * NEAR;
        found[i] = best;
    }
    return far;
}

/* The same without a limit on the distance: the few pairs whose masks lie far apart. */
static void search_all(const Contour *from, const Contour *to, int64_t high, uint32_t *found)
{
    for (int64_t r = 0; r < high; r++) {
        for (int64_t i = from->start[r]; i < from->start[r + 1]; i++) {
            uint64_t best = UINT64_MAX;
            for (int64_t k = 0; k < high && (uint64_t)(k * k) < best; k++) {
                for (int side = -1; side <= 1; side += 2) {
                    int64_t q = r + side * k;
                    if (q < 0 || q >= high) continue;
                    for (int64_t j = to->start[q]; j < to->start[q + 1]; j++) {
                        int64_t across = to->column[j] - from->column[i];
                        uint64_t square = (uint64_t)(across * across + k * k);
                        best = square < best ? square : best;
                    }
                }
            }
            found[i] = (uint32_t)best;
        }
    }
}

/* Sum in the order in which numpy sums, so that means agree to the last bit. */
static double pairwise_sum(const double *value, int64_t n)
{
    double part[8], sum = 0.0;
    int64_t i = 0;
    if (n > 128) {
        int64_t half = n / 2;
        half -= half % 8;
        return pairwise_sum(value, half) + pairwise_sum(value + half, n - half);
    }
    if (n >= 8) {
        memcpy(part, value, sizeof part);
        for (i = 8; i + 8 <= n; i += 8)
            for (int j = 0; j < 8; j++) part[j] += value[i + j];
        sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    }
    for (; i < n; i++) sum += value[i];
    return sum;
}

/* Reorder so that value[k] is the k-th smallest and nothing after it is smaller. */
static void select_kth(uint32_t *value, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t a = value[low], b = value[(low + high) / 2], c = value[high];
        uint32_t pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        int64_t i = low, j = high;
        while (i <= j) {
            while (value[i] < pivot) i++;
            while (value[j] > pivot) j--;
            if (i <= j) {
                uint32_t swap = value[i];
                value[i++] = value[j];
                value[j--] = swap;
            }
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else return;
    }
}

/* The linear 95th percentile of the square roots of `square`, which is reordered. */
static double percentile95(uint32_t *square, int64_t n)
{
    double position = (double)(n - 1) * 0.95;
    int64_t k = (int64_t)position;
    select_kth(square, n, k);
    uint32_t after = k + 1 < n ? UINT32_MAX : square[k];
    for (int64_t i = k + 1; i < n; i++) after = square[i] < after ? square[i] : after;
    double a = sqrt((double)square[k]), b = sqrt((double)after), part = position - (double)k;
    return part >= 0.5 ? b - (b - a) * (1.0 - part) : a + (b - a) * part;
}

/* HD, HD95, ASSD and NSD from the squared distances of both directions. */
LANES static void summarise(uint32_t *square, double *distance, int64_t n, double tolerance, double *out)
{
    uint32_t largest = 0;
    int64_t within = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = square[i] > largest ? square[i] : largest;
        distance[i] = sqrt((double)square[i]);
        within += distance[i] <= tolerance;
    }
    out[5] = sqrt((double)largest);
    out[6] = percentile95(square, n);
    out[7] = pairwise_sum(distance, n) / (double)n;
    out[8] = (double)within / (double)n;
}

typedef struct {
    Contour p, t;
    uint8_t *cells_p, *cells_t; /* column distances of the crop */
    uint8_t *rows;              /* row buffers: zeros, far cells, edges, padded lines */
    uint32_t squares[PAD];
} Work;

static void release(Work *work)
{
    free(work->p.column);
    free(work->p.start);
    free(work->t.column);
    free(work->t.start);
    free(work->cells_p);
    free(work->cells_t);
    free(work->rows);
}

static int prepare(Work *work, const Window *crop)
{
    size_t cells = (size_t)(crop->high * crop->wide), rows = (size_t)crop->high + 1;
    memset(work, 0, sizeof *work);
    work->p.column = malloc(((size_t)crop->p + 8) * sizeof(int32_t));
    work->t.column = malloc(((size_t)crop->t + 8) * sizeof(int32_t));
    work->p.start = malloc(rows * sizeof(int64_t));
    work->t.start = malloc(rows * sizeof(int64_t));
    work->cells_p = malloc(cells);
    work->cells_t = malloc(cells);
    work->rows = malloc(5 * ((size_t)crop->wide + 2 * PAD));
    for (uint32_t k = 0; k < PAD; k++) work->squares[k] = k * k;
    return work->p.column && work->p.start && work->t.column && work->t.start && work->cells_p &&
           work->cells_t && work->rows;
}

/* Contour of a mask and its column distances, downwards. */
static void trace(const uint8_t *mask, int64_t w, const Window *crop, const uint8_t *zeros, const uint8_t *far,
                  uint8_t *edge, Contour *contour, uint8_t *cells)
{
    int64_t high = crop->high, wide = crop->wide;
    const uint8_t *row = mask + crop->top * w + crop->left;
    for (int64_t r = 0; r < high; r++, row += w) {
        contour_row(row, r ? row - w : zeros, r + 1 < high ? row + w : zeros, wide, edge);
        contour->start[r] = contour->many;
        collect(edge, wide, contour);
        sweep_down(edge, r ? cells + (r - 1) * wide : far, cells + r * wide, wide);
    }
    contour->start[high] = contour->many;
}

/* The distances of one row's contour pixels, through padded copies of the row of column distances. */
static int64_t search(const Work *work, const Contour *from, const uint8_t *cells, int64_t r, int64_t wide,
                      uint8_t *line, uint8_t *mirrored, uint32_t *found)
{
    int64_t begin = from->start[r], many = from->start[r + 1] - begin;
    if (!many) return 0;
    memcpy(line, cells + r * wide, (size_t)wide);
    reverse(line, mirrored, wide);
    return search_row(line, mirrored, wide, from->column + begin, many, work->squares, found + begin);
}

/* Squared distances of both directions; the first `p.many` are those of p's contour. */
static void measure(Work *work, const uint8_t *p, const uint8_t *t, int64_t w, const Window *crop, uint32_t *square)
{
    int64_t high = crop->high, wide = crop->wide, far_p = 0, far_t = 0;
    size_t line_size = (size_t)wide + 2 * PAD;
    uint8_t *zeros = work->rows, *far = zeros + line_size, *edge = far + line_size;
    uint8_t *line = edge + line_size + PAD, *mirrored = line + line_size;
    memset(zeros, 0, line_size);
    memset(far, NEAR, line_size);
    memset(line - PAD, NEAR, 2 * line_size);
    trace(p, w, crop, zeros, far, edge, &work->p, work->cells_p);
    trace(t, w, crop, zeros, far, edge, &work->t, work->cells_t);
    uint32_t *square_t = square + work->p.many;
    for (int64_t r = high - 1; r >= 0; r--) {
        if (r + 1 < high) {
            sweep_up(work->cells_p + (r + 1) * wide, work->cells_p + r * wide, wide);
            sweep_up(work->cells_t + (r + 1) * wide, work->cells_t + r * wide, wide);
        }
        far_p += search(work, &work->p, work->cells_t, r, wide, line, mirrored, square);
        far_t += search(work, &work->t, work->cells_p, r, wide, line, mirrored, square_t);
    }
    if (far_p) search_all(&work->p, &work->t, high, square);
    if (far_t) search_all(&work->t, &work->p, high, square_t);
}

static int one_pair(const uint8_t *p, const uint8_t *t, int64_t h, int64_t w, double tolerance, uint8_t *seen,
                    double *out)
{
    Window crop = find_window(p, t, h, w, seen);
    Work work;
    int done = 0;
    memset(out, 0, FIGURES * sizeof(double));
    out[0] = (double)crop.both;
    out[1] = (double)crop.p;
    out[2] = (double)crop.t;
    if (!crop.p || !crop.t) return 1; /* the caller has the rule for empty masks */
    if (prepare(&work, &crop)) {
        size_t most = (size_t)(crop.p + crop.t);
        uint32_t *square = malloc(most * sizeof(uint32_t));
        double *distance = malloc(most * sizeof(double));
        if (square && distance) {
            measure(&work, p, t, w, &crop, square);
            out[3] = (double)work.p.many;
            out[4] = (double)work.t.many;
            summarise(square, distance, work.p.many + work.t.many, tolerance, out);
            done = 1;
        }
        free(square);
        free(distance);
    }
    release(&work);
    return done;
}

/* `pairs` pairs of masks (h, w), one after another in memory, give FIGURES numbers each. 0 is success. */
EXPORT int segkit_surface(const uint8_t *p, const uint8_t *t, int64_t pairs, int64_t h, int64_t w,
                          double tolerance, double *out)
{
    if (h > 32767 || w > 32767) return 2; /* squared distances must fit 32 bits */
    uint8_t *seen = malloc((size_t)(w > 0 ? w : 1));
    int done = seen != NULL;
    for (int64_t i = 0; done && i < pairs; i++)
        done = one_pair(p + i * h * w, t + i * h * w, h, w, tolerance, seen, out + i * FIGURES);
    free(seen);
    return done ? 0 : 1;
}
