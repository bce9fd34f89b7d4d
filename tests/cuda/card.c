/*
 * One stream, which is waited for after every call: nothing here is about order.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "compute/cuda/kernels/embed.h"

static const struct cuda_driver *cu;
static cu_stream stream;
static cu_module kernels;
static uint64_t random_state;

enum { MOST = 64 };
static struct matrix *matrices[MOST];
static void *numbers[MOST];
static int matrix_count, number_count;

static void must(cu_result r, const char *what) {
    if (r != CU_SUCCESS) fail_msg("%s: %s", what, driver_words(cu, r).text);
}

/* ---- the card ---- */

static char *file_text(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be read", path);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, size + 1);
    assert_int_equal(fread(text, 1, size, f), size);
    fclose(f);
    return text;
}

static void load_kernels(void) {
    const char *path = getenv("CUDA_TEST_PTX");
    if (path) {
        char *text = file_text(path);
        must(cu->module_load(&kernels, text, 0, NULL, NULL), path);
        free(text);
        return;
    }
    cu_result r = cu->module_load(&kernels, firered_cuda_fatbin, 0, NULL, NULL);
    if (r == CU_NO_BINARY) r = cu->module_load(&kernels, firered_cuda_ptx, 0, NULL, NULL);
    must(r, "the program's kernels");
}

int card_open(void **state) {
    struct error err;
    cu_device device;
    cu_context context;
    const char *seed = getenv("SIM_SEED");
    (void)state;
    random_state = (seed ? strtoull(seed, NULL, 10) : 1) * 77777 + 1;
    if (driver_open(&cu, &err) != STATUS_OK) fail_msg("%s", err.text);
    must(cu->device_get(&device, 0), "device");
    must(cu->context_retain(&context, device), "context");
    must(cu->context_use(context), "context");
    must(cu->stream_create(&stream, CU_STREAM_NON_BLOCKING), "stream");
    load_kernels();
    return 0;
}

int card_close(void **state) {
    cu_device device;
    (void)state;
    must(cu->module_unload(kernels), "unload");
    must(cu->stream_destroy(stream), "stream");
    must(cu->device_get(&device, 0), "device");
    must(cu->context_release(device), "context");
    return 0;
}

int card_forget(void **state) {
    (void)state;
    cu_result r = CU_SUCCESS;
    while (matrix_count) {
        struct matrix *m = matrices[--matrix_count];
        cu_result now = cu->free(m->device);
        r = r ? r : now;
        free(m->host);
        free(m);
    }
    while (number_count) free(numbers[--number_count]);
    return r != CU_SUCCESS;
}

void launch(const char *kernel, struct launch how, void *args) {
    cu_function f;
    must(cu->module_function(&f, kernels, kernel), kernel);
    if (how.shared) must(cu->function_set(f, CU_FUNCTION_DYNAMIC_SHARED, (int)how.shared), kernel);
    must(cu->launch(f, how.x, how.y ? how.y : 1, 1, how.threads ? how.threads : 256, 1, 1,
                    how.shared, stream, (void *[]){args}, NULL),
         kernel);
    must(cu->stream_wait(stream), kernel);
}

unsigned tiles(int n, int tile) {
    return (unsigned)((n + tile - 1) / tile);
}

/* ---- numbers ---- */

double uniform(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static float normal(void) {
    return (float)(sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform()));
}

float bf16_rounded(float x) {
    return float_from_bf16(bf16_from_float(x));
}

double *doubles(int rows, int cols) {
    assert_true(number_count < MOST);
    return numbers[number_count++] = calloc((size_t)rows * (size_t)cols, sizeof(double));
}

const char *shape(const char *format, ...) {
    static char text[160];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return text;
}

/* ---- matrices ---- */

static size_t place(const struct matrix *m, int row, int col) {
    return (size_t)row * (size_t)m->stride + (size_t)col;
}

static struct matrix *matrix_take(int rows, int cols, int stride, enum element type) {
    struct matrix *m = calloc(1, sizeof *m);
    *m = (struct matrix){.rows = rows, .cols = cols, .stride = stride, .type = type};
    m->bytes = (size_t)rows * (size_t)stride * (size_t)type;
    m->host = malloc(m->bytes);
    memset(m->host, 0xff, m->bytes);
    must(cu->alloc(&m->device, m->bytes), "memory");
    assert_true(matrix_count < MOST);
    matrices[matrix_count++] = m;
    return m;
}

double matrix_get(const struct matrix *m, int row, int col) {
    size_t at = place(m, row, col);
    if (m->type == FLOAT) return ((float *)m->host)[at];
    if (m->type == HALF) return float_from_bf16(((uint16_t *)m->host)[at]);
    return ((int8_t *)m->host)[at];
}

void matrix_set(struct matrix *m, int row, int col, double x) {
    size_t at = place(m, row, col);
    if (m->type == FLOAT)
        ((float *)m->host)[at] = (float)x;
    else if (m->type == HALF)
        ((uint16_t *)m->host)[at] = bf16_from_float((float)x);
    else
        ((int8_t *)m->host)[at] = (int8_t)x;
}

static void copy_bytes(struct matrix *m, bool up) {
    struct cu_copy c = {.from_type = up ? CU_MEMORY_HOST : CU_MEMORY_DEVICE,
                        .from_host = m->host,
                        .from_device = m->device,
                        .from_pitch = m->bytes,
                        .to_type = up ? CU_MEMORY_DEVICE : CU_MEMORY_HOST,
                        .to_host = m->host,
                        .to_device = m->device,
                        .to_pitch = m->bytes,
                        .width = m->bytes,
                        .height = 1};
    must(cu->copy(&c, stream), "copy");
    must(cu->stream_wait(stream), "copy");
}

void matrix_push(struct matrix *m) {
    copy_bytes(m, true);
}

struct matrix *matrix_empty(int rows, int cols, int stride, enum element type) {
    struct matrix *m = matrix_take(rows, cols, stride, type);
    matrix_push(m);
    return m;
}

struct matrix *matrix_random(int rows, int cols, int stride, enum element type, double scale) {
    struct matrix *m = matrix_take(rows, cols, stride, type);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) matrix_set(m, r, c, normal() * scale);
    matrix_push(m);
    return m;
}

struct matrix *matrix_of(const void *in, int rows, int cols, enum element type) {
    struct matrix *m = matrix_take(rows, cols, cols, type);
    memcpy(m->host, in, m->bytes);
    matrix_push(m);
    return m;
}

void *there(const struct matrix *m) {
    return m ? (void *)(uintptr_t)m->device : NULL; // NOLINT(performance-no-int-to-ptr)
}

/* ---- comparing ---- */

/* Brings m back; whatever does not belong to a row is as it was. */
static void pull(struct matrix *m, const char *what) {
    char *before = malloc(m->bytes);
    memcpy(before, m->host, m->bytes);
    copy_bytes(m, false);
    size_t rest = (size_t)(m->stride - m->cols) * (size_t)m->type;
    for (int r = 0; r < m->rows; r++) {
        size_t end = place(m, r, m->cols) * (size_t)m->type;
        if (memcmp(m->host + end, before + end, rest) != 0)
            fail_msg("%s: wrote past the end of row %d", what, r);
    }
    free(before);
}

void matrix_expect(struct matrix *m, const double *want, double limit, const char *what) {
    double most = 0, error = 0;
    pull(m, what);
    for (int r = 0; r < m->rows; r++)
        for (int c = 0; c < m->cols; c++, want++) {
            double off = fabs(matrix_get(m, r, c) - *want);
            if (fabs(*want) > most) most = fabs(*want);
            if (!(off <= error) && error == error) error = off; /* NaN stays */
        }
    error /= most > 0 ? most : 1;
    print_message("  %-60s error %.1e of %.0e\n", what, error, limit);
    if (!(error <= limit)) fail_msg("%s: wrong by %.2e, allowed is %.0e", what, error, limit);
}

void matrix_expect_floats(struct matrix *m, const float *want, const char *what) {
    pull(m, what);
    for (int r = 0; r < m->rows; r++)
        for (int c = 0; c < m->cols; c++, want++) {
            float got = ((const float *)m->host)[place(m, r, c)];
            bool same = isnan(*want) ? isnan(got) : bits_from_float(got) == bits_from_float(*want);
            if (!same)
                fail_msg("%s: %.9g at %d, %d; right is %.9g", what, (double)got, r, c,
                         (double)*want);
        }
}
