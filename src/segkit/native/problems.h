/* What each kernel is handed: pointers first, then 64-bit integers. The loader and the ONNX operators fill these. */
#ifndef SEGKIT_PROBLEMS_H
#define SEGKIT_PROBLEMS_H

#include <stdint.h>

/* The selective scan, scan.c. `carry` may be null where no gradient is asked for. */
struct scan {
    const float *u, *delta, *A, *B, *C, *D, *bias; /* (b,d,l) (b,d,l) (d,n) (b,g,n,l) twice (d) (d) */
    float *y, *carry;                              /* (b,d,l), (b,d,chunks,n) */
    const float *dy;                               /* (b,d,l) */
    float *d_u, *d_delta, *d_B, *d_C;              /* as u, delta; (blocks,b,g,n,l) twice */
    double *d_A, *d_D, *d_bias;                    /* (b,d,n) (b,d) (b,d), zeroed by the caller */
    int64_t batch, channels, length, state, groups, blocks, width; /* width: channels of a block */
    int64_t soft, reverse;
};

/* The four directions over a map, ss2d.c. `carry` as above. */
struct ss2d {
    const float *x, *proj;              /* (b,l,d), (b,l,4,r+2n) with the order r, n (B), n (C) */
    const float *w_dt, *bias, *A, *D;   /* (4,d,r) (4,d) (4d,n) (4d) */
    float *planes, *carry;              /* (2,b,l,d): y or d_x; (2,b,2d,chunks,n) */
    const float *dy;                    /* (b,l,d) */
    float *d_proj;                      /* (blocks,b,l,4,r+2n) */
    double *d_w_dt, *d_bias, *d_A, *d_D; /* (b,4,d,r) (b,4,d) (b,4d,n) (b,4d), zeroed by the caller */
    int64_t batch, height, width, channels, state, rank, blocks, block_width;
};

/* out (rows, cols) = a (rows, inner) w (inner, padded), plus what is there if `add`. */
struct product {
    const float *a, *w;
    float *out;
    int64_t rows, inner, cols, padded, add; /* padded: a multiple of 32 floats */
};

/* out (size): the sum of parts (count, size), added in their order. */
struct adding {
    const float *parts;
    float *out;
    int64_t count, size, share; /* share: floats of one task */
};

#endif
