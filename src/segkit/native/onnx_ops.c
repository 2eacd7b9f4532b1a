/* The scans as operators of ONNX Runtime: `segkit::SS2D` and `segkit::SelectiveScan` over the same kernels.
 *
 * An exported file says what these operators compute in plain ONNX. Where this library is registered with a
 * session, its kernels stand in; where it is not, the runtime follows the file. Float32 on the CPU. */
#include <stdlib.h>
#include <string.h>

#include "onnx_abi.h"
#include "problems.h"

#define EXPORT __attribute__((visibility("default")))
#define MOST 7   /* inputs of an operator */
#define RANK 4   /* of a tensor */
#define TASKS 16 /* pieces that a problem is cut into at least, as in native_backend.py */
#define WIDTH 16 /* channels of a piece at least */
#define SHARE (1 << 13)

int segkit_lanes(void);

#if defined(__x86_64__)
#define KERNEL(name, problem)                                                                                    \
    int name##_4(const struct problem *, int64_t *);                                                             \
    int name##_8(const struct problem *, int64_t *);                                                             \
    int name##_16(const struct problem *, int64_t *);                                                            \
    static int name(const void *p, int64_t *counter)                                                             \
    {                                                                                                            \
        int lanes = width();                                                                                     \
        return lanes == 16 ? name##_16(p, counter) : lanes == 8 ? name##_8(p, counter) : name##_4(p, counter);   \
    }
#else
#define KERNEL(name, problem)                                                                                    \
    int name##_4(const struct problem *, int64_t *);                                                             \
    static int name(const void *p, int64_t *counter) { return name##_4(p, counter); }
#endif

#if defined(__x86_64__)
/* The widest vectors that run here, or fewer if SEGKIT_LANES says so. */
static int width(void)
{
    const char *asked = getenv("SEGKIT_LANES");
    int best = segkit_lanes(), wanted = asked ? atoi(asked) : best;
    return wanted == 4 || wanted == 8 ? (wanted < best ? wanted : best) : best;
}
#endif

KERNEL(segkit_scan, scan)
KERNEL(segkit_ss2d, ss2d)
KERNEL(segkit_product, product)
KERNEL(segkit_add, adding)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

static status *failure(const api *ort, const char *message)
{
    return ((create_status)ort->at[CREATE_STATUS])(ORT_FAIL, message);
}

/* The inputs of one call. */
struct inputs {
    const float *data[MOST];
    int64_t size[MOST][RANK];
    size_t rank[MOST];
};

static status *read_input(const api *ort, const context *call, size_t index, struct inputs *in)
{
    const value *tensor = NULL;
    shape *form = NULL;
    void *data = NULL;
    status *wrong = ((get_input)ort->at[GET_INPUT])(call, index, &tensor);
    if (!wrong && !tensor)
        return failure(ort, "segkit: an input of a scan is missing");
    if (!wrong)
        wrong = ((tensor_data)ort->at[TENSOR_DATA])((value *)tensor, &data);
    if (!wrong)
        wrong = ((shape_of)ort->at[SHAPE_OF])(tensor, &form);
    if (wrong)
        return wrong;
    in->data[index] = data;
    wrong = ((dimension_count)ort->at[DIMENSION_COUNT])(form, &in->rank[index]);
    if (!wrong && in->rank[index] <= RANK)
        wrong = ((dimensions)ort->at[DIMENSIONS])(form, in->size[index], in->rank[index]);
    ((release_shape)ort->at[RELEASE_SHAPE])(form);
    return wrong;
}

/* Read all inputs; `ranks` has one digit for each. */
static status *read_inputs(const api *ort, const context *call, const char *ranks, struct inputs *in)
{
    for (size_t i = 0; ranks[i]; i++) {
        status *wrong = read_input(ort, call, i, in);
        if (wrong)
            return wrong;
        if (in->rank[i] != (size_t)(ranks[i] - '0'))
            return failure(ort, "segkit: an input of a scan has the wrong number of dimensions");
    }
    return NULL;
}

static status *output(const api *ort, context *call, const int64_t *size, size_t rank, float **data)
{
    value *tensor = NULL;
    status *wrong = ((get_output)ort->at[GET_OUTPUT])(call, 0, size, rank, &tensor);
    return wrong ? wrong : ((tensor_data)ort->at[TENSOR_DATA])(tensor, (void **)data);
}

/* A kernel at work: the session's threads draw task numbers until there are none. */
struct launch {
    int (*kernel)(const void *, int64_t *);
    const void *problem;
    int64_t counter;
    int failed;
};

static void help(void *given, size_t index)
{
    struct launch *work = given;
    (void)index;
    if (work->kernel(work->problem, &work->counter))
        __atomic_store_n(&work->failed, 1, __ATOMIC_RELAXED);
}

static status *run(const api *ort, const context *call, int (*kernel)(const void *, int64_t *),
                   const void *problem, int64_t tasks)
{
    struct launch work = {kernel, problem, 0, 0};
    status *wrong = ((parallel_for)ort->at[PARALLEL_FOR])(call, help, (size_t)tasks, 0, &work);
    if (!wrong && work.failed)
        wrong = failure(ort, "segkit: no memory for the workspace of a scan");
    return wrong;
}

/* ---- SS2D: x (b,h,w,d), w_x (4,r+2n,d), w_dt (4,d,r), bias (4,d), A (4d,n), D (4d) ---------------------- */

static int ss2d_fits(const struct inputs *in)
{
    int64_t d = in->size[0][3], r = in->size[2][2], n = in->size[4][1];
    return in->size[1][0] == 4 && in->size[1][1] == r + 2 * n && in->size[1][2] == d && in->size[2][0] == 4 &&
           in->size[2][1] == d && in->size[3][0] == 4 && in->size[3][1] == d && in->size[4][0] == 4 * d &&
           in->size[5][0] == 4 * d;
}

/* The rows of w (cols, inner) as columns, padded with zeros. */
static void turn(const float *w, int64_t cols, int64_t inner, int64_t padded, float *to)
{
    memset(to, 0, (size_t)(inner * padded) * sizeof(float));
    for (int64_t c = 0; c < cols; c++)
        for (int64_t k = 0; k < inner; k++)
            to[k * padded + c] = w[c * inner + k];
}

/* Steps, B and C at every pixel, the scans of both pairs of directions, and their sum. */
static status *ss2d_into(const api *ort, context *call, const struct inputs *in, float *memory, float *y)
{
    const int64_t *x = in->size[0];
    int64_t pixels = x[0] * x[1] * x[2], d = x[3], cols = 4 * in->size[1][1], padded = parts_of(cols, 32) * 32;
    float *proj = memory, *w = proj + pixels * cols, *planes = w + d * padded;
    int64_t wanted = most(1, TASKS / (2 * x[0]));
    int64_t block = least(least(most(WIDTH, parts_of(d, wanted)), 4 * WIDTH), d);
    turn(in->data[1], cols, d, padded, w);
    struct product project = {in->data[0], w, proj, pixels, d, cols, padded, 0};
    struct ss2d scan = {.x = in->data[0], .proj = proj, .w_dt = in->data[2], .bias = in->data[3],
                        .A = in->data[4], .D = in->data[5], .planes = planes, .batch = x[0], .height = x[1],
                        .width = x[2], .channels = d, .state = in->size[4][1], .rank = in->size[2][2],
                        .blocks = parts_of(d, block), .block_width = block};
    struct adding merge = {planes, y, 2, pixels * d, SHARE};
    status *wrong = run(ort, call, segkit_product, &project, parts_of(pixels, 64));
    if (!wrong)
        wrong = run(ort, call, segkit_ss2d, &scan, 2 * scan.batch * scan.blocks);
    return wrong ? wrong : run(ort, call, segkit_add, &merge, parts_of(merge.size, SHARE));
}

static status *run_ss2d(const api *ort, context *call)
{
    struct inputs in;
    float *y = NULL, *memory;
    status *wrong = read_inputs(ort, call, "433221", &in);
    if (!wrong)
        wrong = output(ort, call, in.size[0], 4, &y);
    if (wrong)
        return wrong;
    if (!ss2d_fits(&in))
        return failure(ort, "segkit: the sizes of SS2D's inputs do not fit together");
    int64_t pixels = in.size[0][0] * in.size[0][1] * in.size[0][2], d = in.size[0][3];
    int64_t cols = 4 * in.size[1][1];
    if (!pixels || !d)
        return NULL;
    memory = malloc((size_t)(pixels * cols + d * parts_of(cols, 32) * 32 + 2 * pixels * d) * sizeof(float));
    if (!memory)
        return failure(ort, "segkit: no memory for the planes of SS2D");
    wrong = ss2d_into(ort, call, &in, memory, y);
    free(memory);
    return wrong;
}

/* ---- SelectiveScan, ScanSteps: u, delta (b,d,l), A (d,n), B, C (b,g,n,l), D (d); with softplus bias (d) ---- */

static int scan_fits(const struct inputs *in, int soft)
{
    int64_t d = in->size[0][1], g = in->size[3][1];
    int fits = g > 0 && d % g == 0 && in->size[2][0] == d && in->size[5][0] == d && (!soft || in->size[6][0] == d);
    fits = fits && !memcmp(in->size[0], in->size[1], 3 * sizeof(int64_t));
    fits = fits && !memcmp(in->size[3], in->size[4], 4 * sizeof(int64_t));
    return fits && in->size[3][0] == in->size[0][0] && in->size[3][2] == in->size[2][1] &&
           in->size[3][3] == in->size[0][2];
}

static status *run_line(const api *ort, context *call, int soft, int reverse)
{
    struct inputs in;
    float *y = NULL;
    status *wrong = read_inputs(ort, call, soft ? "3324411" : "332441", &in);
    if (!wrong)
        wrong = output(ort, call, in.size[0], 3, &y);
    if (wrong)
        return wrong;
    if (!scan_fits(&in, soft))
        return failure(ort, "segkit: the sizes of SelectiveScan's inputs do not fit together");
    const int64_t *u = in.size[0];
    if (!u[0] || !u[1] || !u[2])
        return NULL;
    int64_t groups = in.size[3][1], size = u[1] / groups, wanted = most(1, TASKS / most(1, u[0] * groups));
    int64_t block = most(1, least(size, most(WIDTH, parts_of(size, wanted))));
    struct scan scan = {.u = in.data[0], .delta = in.data[1], .A = in.data[2], .B = in.data[3],
                        .C = in.data[4], .D = in.data[5],
                        .bias = soft ? in.data[6] : NULL, .y = y, .batch = u[0],
                        .channels = u[1], .length = u[2], .state = in.size[2][1], .groups = groups,
                        .blocks = parts_of(size, block), .width = block, .soft = soft, .reverse = reverse};
    return run(ort, call, segkit_scan, &scan, scan.batch * groups * scan.blocks);
}

static status *soft_ahead(const api *ort, context *call) { return run_line(ort, call, 1, 0); }
static status *soft_back(const api *ort, context *call) { return run_line(ort, call, 1, 1); }
static status *plain_ahead(const api *ort, context *call) { return run_line(ort, call, 0, 0); }
static status *plain_back(const api *ort, context *call) { return run_line(ort, call, 0, 1); }

/* ---- what the runtime asks -------------------------------------------------------------------------- */

static const char *name_of(const op *self) { return self->called; }
static const char *provider_of(const op *self)
{
    (void)self;
    return "CPUExecutionProvider";
}
static int float_type(const op *self, size_t index)
{
    (void)self, (void)index;
    return ORT_FLOAT;
}
static int nought(const op *self, size_t index)
{
    (void)self, (void)index;
    return 0;
}
static size_t inputs_of(const op *self) { return self->inputs; }
static size_t one(const op *self)
{
    (void)self;
    return 1;
}

/* A kernel keeps the table and what to run. */
struct kernel {
    const api *ort;
    const op *self;
};

static status *create(const op *self, const api *ort, const void *info, void **kernel)
{
    struct kernel *made = malloc(sizeof(*made));
    (void)info;
    if (!made)
        return failure(ort, "segkit: no memory for a kernel");
    *made = (struct kernel){ort, self};
    *kernel = made;
    return NULL;
}
static status *compute(void *kernel, context *call)
{
    const struct kernel *made = kernel;
    return made->self->run(made->ort, call);
}

#define OPERATOR(title, count, function)                                                                         \
    {                                                                                                            \
        .version = ORT_INTERFACE, .name = name_of, .provider = provider_of, .input_type = float_type,            \
        .input_count = inputs_of, .output_type = float_type, .output_count = one, .destroy = free,               \
        .input_kind = nought, .output_kind = nought, .input_memory = nought, .create2 = create,                  \
        .compute2 = compute, .called = title, .inputs = count, .run = function                                   \
    }

static const op OPERATORS[] = {
    OPERATOR("SS2D", 6, run_ss2d),
    OPERATOR("SelectiveScan", 7, soft_ahead),
    OPERATOR("SelectiveScanReverse", 7, soft_back),
    OPERATOR("ScanSteps", 6, plain_ahead),
    OPERATOR("ScanStepsReverse", 6, plain_back),
};

/* What `SessionOptions.register_custom_ops_library` calls. The domain lives as long as the process. */
EXPORT status *RegisterCustomOps(session_options *options, const api_base *base)
{
    static domain *ours = NULL;
    const api *ort = base->get(ORT_INTERFACE);
    if (!ort) { /* older than 1.17: there is no table to report with */
        ort = base->get(1);
        return failure(ort, "segkit's operators need ONNX Runtime 1.17 or later");
    }
    status *wrong = NULL;
    if (!ours) {
        wrong = ((create_domain)ort->at[CREATE_DOMAIN])("segkit", &ours);
        for (size_t i = 0; !wrong && i < sizeof(OPERATORS) / sizeof(*OPERATORS); i++)
            wrong = ((domain_add)ort->at[DOMAIN_ADD])(ours, &OPERATORS[i]);
    }
    return wrong ? wrong : ((add_domain)ort->at[ADD_DOMAIN])(options, ours);
}
