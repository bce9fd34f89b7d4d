/*
 * Rows by number: out of a stored table of any type, and from tensor to tensor.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

enum { TABLE = 41, COLS = 37, OUT = 70, EDGE = 3 };

struct numbered {
    struct matrix table;
    int32_t rows[OUT];
    const float *before;
    float got[OUT * COLS];
};

/* In the middle of a wider matrix: what stands beside it must stay. */
static struct tensor window(struct workspace *w, const float *before) {
    struct tensor all = tensor_take(w, OUT, COLS + 2 * EDGE);
    struct tensor out = tensor_cols(all, EDGE, COLS);
    tensor_upload(w, out, before);
    return out;
}

static void upload(struct workspace *w, void *arg) {
    struct numbered *n = arg;
    struct tensor out = window(w, n->before);
    tensor_upload_rows(w, out, &n->table, n->rows);
    tensor_download(w, n->got, out);
}

static void copy(struct workspace *w, void *arg) {
    struct numbered *n = arg;
    struct tensor out = window(w, n->before),
                  in = tensor_cols(tensor_take(w, TABLE, COLS + EDGE), EDGE, COLS);
    tensor_upload(w, in, n->table.data);
    op_rows(w, out, in, n->rows);
    tensor_download(w, n->got, out);
}

static void check(struct compute *c, struct numbered *n, const float *table,
                  void (*work)(struct workspace *w, void *arg)) {
    run_planned(c, work, n);
    for (int i = 0; i < OUT; i++) {
        const float *want =
            n->rows[i] < 0 ? n->before + i * COLS : table + (size_t)n->rows[i] * COLS;
        assert_memory_equal(n->got + i * COLS, want, COLS * sizeof *want);
    }
}

static void rows(struct compute *c) {
    float *table = random_bf16_floats(TABLE * COLS), *before = random_floats(OUT * COLS, 1);
    static struct numbered n;
    for (int i = 0; i < OUT; i++) n.rows[i] = i * 29 % TABLE; /* some twice */
    n.before = before;
    for (enum dtype t = 0; t < DTYPE_COUNT; t++) {
        void *stored = stored_as(t, table, TABLE * COLS);
        n.table = (struct matrix){.dtype = t, .rows = TABLE, .cols = COLS, .data = stored};
        check(c, &n, table, upload);
        free(stored);
    }
    n.table = (struct matrix){.dtype = DTYPE_F32, .rows = TABLE, .cols = COLS, .data = table};
    check(c, &n, table, copy);
    for (int i = 0; i < OUT; i += 3) n.rows[i] = -1;
    check(c, &n, table, copy);
    free(table);
    free(before);
}

static void test_rows(void **state) {
    (void)state;
    each_kernels(2, rows);
}

/* A number that is no row, or tables of another width, end the edit before anything is read. */
static void beyond(struct compute *c) {
    float *table = random_floats(TABLE * COLS, 1);
    for (int kind = 0; kind < 6; kind++) {
        struct workspace *w;
        struct workspace_size size = {.device = 1 << 20};
        int32_t numbers[2] = {0, kind < 2 ? TABLE : kind < 3 ? -1 : 1};
        int64_t cols = kind < 3 ? COLS : COLS - 1;
        struct matrix stored = {.dtype = DTYPE_F32, .rows = TABLE, .cols = cols, .data = table};
        bool dry = kind == 5;
        assert_int_equal(dry ? workspace_create_dry(&w, c, NULL)
                             : workspace_create(&w, c, size, NULL, NULL, NULL),
                         STATUS_OK);
        struct tensor out = tensor_take(w, 2, COLS), in = tensor_take(w, TABLE, cols);
        if (kind % 2)
            op_rows(w, out, in, dry ? NULL : numbers);
        else
            tensor_upload_rows(w, out, &stored, numbers);
        assert_int_equal(workspace_check(w, NULL), STATUS_INTERNAL);
        workspace_destroy(w);
    }
    free(table);
}

static void test_beyond(void **state) {
    (void)state;
    each_kernels(1, beyond);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_beyond)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
