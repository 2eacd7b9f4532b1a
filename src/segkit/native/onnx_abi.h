/* The few entries of ONNX Runtime's C interface that an operator library needs, by their place in its table.
 *
 * The table (`OrtApi`) only ever grows at its end, so places are as lasting as names; these are those of interface
 * 17 (ONNX Runtime 1.17, January 2024) and later. Nothing is linked: the runtime hands the table over. */
#ifndef SEGKIT_ONNX_ABI_H
#define SEGKIT_ONNX_ABI_H

#include <stddef.h>
#include <stdint.h>

#define ORT_INTERFACE 17
#define ORT_FLOAT 1 /* ONNXTensorElementDataType */
#define ORT_FAIL 1  /* OrtErrorCode */

typedef struct status status; /* null means success; the receiver frees it */
typedef struct value value;
typedef struct shape shape;
typedef struct context context; /* one call of a kernel */
typedef struct domain domain;
typedef struct session_options session_options;

enum place {
    CREATE_STATUS = 0,
    CREATE_DOMAIN = 26,
    DOMAIN_ADD = 27,
    ADD_DOMAIN = 28,
    TENSOR_DATA = 51,
    DIMENSION_COUNT = 61,
    DIMENSIONS = 62,
    SHAPE_OF = 65,
    GET_INPUT = 90,
    GET_OUTPUT = 91,
    RELEASE_SHAPE = 99,
    PARALLEL_FOR = 274,
};

typedef void (*entry)(void);
typedef struct {
    entry at[PARALLEL_FOR + 1];
} api;

typedef struct {
    const api *(*get)(uint32_t interface);
    const char *(*version)(void);
} api_base;

typedef status *(*create_status)(int code, const char *message);
typedef status *(*create_domain)(const char *name, domain **);
typedef status *(*domain_add)(domain *, const void *op);
typedef status *(*add_domain)(session_options *, domain *);
typedef status *(*tensor_data)(value *, void **);
typedef status *(*dimension_count)(const shape *, size_t *);
typedef status *(*dimensions)(const shape *, int64_t *, size_t);
typedef status *(*shape_of)(const value *, shape **);
typedef status *(*get_input)(const context *, size_t, const value **);
typedef status *(*get_output)(context *, size_t, const int64_t *dims, size_t count, value **);
typedef void (*release_shape)(shape *);
typedef status *(*parallel_for)(const context *, void (*)(void *, size_t), size_t total, size_t batches, void *);

/* OrtCustomOp of interface 17: one operator, what goes in and out, and its kernel. */
typedef struct op op;
struct op {
    uint32_t version;
    void *(*create)(const op *, const api *, const void *info);
    const char *(*name)(const op *);
    const char *(*provider)(const op *);
    int (*input_type)(const op *, size_t);
    size_t (*input_count)(const op *);
    int (*output_type)(const op *, size_t);
    size_t (*output_count)(const op *);
    void (*compute)(void *, context *);
    void (*destroy)(void *);
    int (*input_kind)(const op *, size_t); /* 0: required */
    int (*output_kind)(const op *, size_t);
    int (*input_memory)(const op *, size_t); /* 0: the provider's own */
    int (*input_arity)(const op *);
    int (*input_alike)(const op *);
    int (*output_arity)(const op *);
    int (*output_alike)(const op *);
    status *(*create2)(const op *, const api *, const void *info, void **kernel);
    status *(*compute2)(void *kernel, context *);
    status *(*infer)(const op *, void *);
    int (*first_version)(const op *);
    int (*last_version)(const op *);
    entry later[4]; /* of interface 18 */
    /* ours, behind what the runtime knows */
    const char *called;
    size_t inputs;
    status *(*run)(const api *, context *);
};

#endif
