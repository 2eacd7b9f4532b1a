/* Vectors of LANES floats and what the scans need of them: exp2, softplus, sums across, transposes.
 * GCC and Clang vector extensions; the few instructions that they cannot express are named by width. */
#ifndef SEGKIT_LANES_H
#define SEGKIT_LANES_H

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef LANES
#define LANES 4
#endif
#define SEGKIT_CAT2(a, b) a##_##b
#define SEGKIT_CAT(a, b) SEGKIT_CAT2(a, b)
#define NAME(name) SEGKIT_CAT(name, LANES)
#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(LANES * 4), may_alias));
typedef int32_t vi __attribute__((vector_size(LANES * 4), may_alias));
typedef float vf_loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vf load(const float *p) { return *(const vf *)p; }
INLINE vf load_loose(const float *p) { return (vf)*(const vf_loose *)p; }
INLINE void store(float *p, vf v) { *(vf *)p = v; }
INLINE void store_loose(float *p, vf v) { *(vf_loose *)p = (vf_loose)v; }
INLINE vf splat(float x) { return x - (vf){0}; }

INLINE vf choose(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

INLINE vf smaller(vf a, vf b)
{
#if LANES == 16 && defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif LANES == 8 && defined(__AVX__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif LANES == 4 && defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return choose((vi)(a < b), a, b);
#endif
}

INLINE vf larger(vf a, vf b) { return -smaller(-a, -b); }

/* 2^f for |f| <= 1/2: 1 and ln 2 are exact, so that slow decays stay right; relative error 1e-7. */
INLINE vf exp2_fraction(vf f)
{
    vf p = f * 1.3300857715759934e-3f + 9.670584965500472e-3f;
    p = p * f + 5.55056068615554e-2f;
    p = p * f + 2.4022262957497165e-1f;
    p = p * f + 6.9314718055994531e-1f;
    return p * f + 1.0f;
}

/* 2^x; too small gives 0 (or the smallest float), too large gives a huge value or infinity. */
INLINE vf exp2v(vf x)
{
#if LANES == 16 && defined(__AVX512F__)
    __m512 whole = _mm512_roundscale_ps((__m512)x, 0);
    vf p = exp2_fraction(x - (vf)whole);
    return (vf)_mm512_scalef_ps((__m512)p, whole);
#else
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
    x = smaller(larger(x, splat(-125.0f)), splat(127.0f));
    vf shifted = x + shift;
    vf p = exp2_fraction(x - (shifted - shift));
    return (vf)((vi)p + ((vi)shifted << 23));
#endif
}

/* log(1 + e) for 0 <= e <= 1, as 2 atanh(e / (2 + e)); small e keep their relative precision. */
INLINE vf log1p_unit(vf e)
{
    vf s = e / (e + 2.0f), w = s * s;
    vf p = w * 2.5818473222858906e-1f + 2.8408487708621416e-1f;
    p = p * w + 4.0001257279778946e-1f;
    p = p * w + 6.666666501217829e-1f;
    return s * (p * w + 2.0f);
}

#define LOG2E 1.4426950408889634f

/* softplus(x) and its slope sigmoid(x). */
INLINE vf softplus(vf x, vf *slope)
{
    vf e = exp2v(larger(smaller(x, -x), splat(-80.0f)) * LOG2E); /* exp(-|x|) */
    vf inverse = 1.0f / (e + 1.0f);
    *slope = choose((vi)(x > (vf){0}), inverse, e * inverse);
    return larger(x, (vf){0}) + log1p_unit(e);
}

/* Two vectors shuffled into one. */
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
#if LANES == 16
#define EVENS(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODDS(a, b) SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif LANES == 8
#define EVENS(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODDS(a, b) SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define EVENS(a, b) SHUFFLE(a, b, 0, 2, 4, 6)
#define ODDS(a, b) SHUFFLE(a, b, 1, 3, 5, 7)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#endif

/* The sum of each of LANES vectors, as one vector. Always the same order of additions. */
INLINE vf sums(const vf *rows)
{
    vf work[LANES];
    for (int i = 0; i < LANES; i++)
        work[i] = rows[i];
#pragma GCC unroll 16
    for (int count = LANES / 2; count > 0; count /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < count; i++)
            work[i] = EVENS(work[2 * i], work[2 * i + 1]) + ODDS(work[2 * i], work[2 * i + 1]);
    return work[0];
}

/* A LANES x LANES block from rows `from_stride` apart to rows `to_stride` apart, transposed. */
INLINE void transpose(const float *from, int64_t from_stride, float *to, int64_t to_stride)
{
    vf a[LANES], b[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        a[i] = load_loose(from + i * from_stride);
#pragma GCC unroll 4
    for (int span = 1; span < LANES; span *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            b[2 * i] = ZIP_LOW(a[i], a[i + LANES / 2]);
            b[2 * i + 1] = ZIP_HIGH(a[i], a[i + LANES / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            a[i] = b[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        store_loose(to + i * to_stride, a[i]);
}

/* Tiny numbers count as zero while a kernel runs: they cost a hundred cycles on some processors. */
INLINE unsigned flush_tiny(void)
{
#if defined(__SSE2__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

INLINE void restore_tiny(unsigned before)
{
#if defined(__SSE2__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

#endif
