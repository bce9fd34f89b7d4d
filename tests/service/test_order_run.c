/* An edit without service, queue or client: an engine, an order and hooks are all that it takes. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "image/decode.h"
#include "image/encode.h"
#include "service/order_run.h"
#include "service/order_text.h"

enum { SIDE = 32, STEPS = 3 };

static struct editor editor = {.model = "fake", .max_image_pixels = 1 << 20};

static int open_engine(void **state) {
    (void)state;
    struct firered_options options = {.model = "fake"};
    return firered_open(&editor.engine, &options, NULL) == STATUS_OK ? 0 : -1;
}

static int close_engine(void **state) {
    (void)state;
    firered_close(editor.engine);
    return 0;
}

static struct edit_order order_of(const char *prompt) {
    struct edit_order order = {.file_count = 1,
                               .prompt = strdup(prompt),
                               .negative_prompt = strdup(" "),
                               .guidance_scale = 1,
                               .steps = STEPS,
                               .seed = 42,
                               .format = PICTURE_PNG};
    uint8_t *rgb = calloc(1, SIDE * SIDE * 3);
    struct picture black = {SIDE, SIDE, rgb};
    assert_non_null(rgb);
    assert_int_equal(picture_encode(&order.files[0], &black, PICTURE_PNG, NULL), STATUS_OK);
    free(rgb);
    return order;
}

struct heard {
    int calls, steps;
    enum firered_stage first;
    bool stop;
};

static void on_progress(void *arg, const struct firered_progress *now) {
    struct heard *h = arg;
    if (h->calls++ == 0) h->first = now->stage;
    if (now->stage == FIRERED_STAGE_DENOISE) h->steps = now->step;
}

static bool stopping(void *arg) {
    const struct heard *h = arg;
    return h->stop || (h->steps == 1);
}

static bool never(void *arg) {
    (void)arg;
    return false;
}

static void test_a_picture_comes_of_it(void **state) {
    (void)state;
    struct edit_order order = order_of("night");
    struct edit_outcome o;
    struct heard heard = {0};
    const struct edit_hooks hooks = {on_progress, never, &heard};
    struct picture picture = {0};
    order_run(&editor, &order, "id", &hooks, &o);
    assert_int_equal(o.end, EDIT_DONE);
    assert_string_equal(o.detail, "");
    assert_int_equal(heard.first, FIRERED_STAGE_ENCODE);
    assert_int_equal(heard.steps, STEPS);
    assert_int_equal(o.steps, STEPS);
    assert_null(order.files[0].data); /* gone once decoded */
    assert_int_equal(picture_decode(&picture, o.file.data, o.file.size, 1 << 20, NULL), STATUS_OK);
    assert_int_equal(picture.width, SIDE);
    assert_int_equal(o.width, SIDE);
    picture_free(&picture);
    buffer_free(&o.file);
    edit_order_free(&order);
}

/* What stopped it, only the one who said so knows. */
static void test_stopped(void **state) {
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct edit_order order = order_of("night");
        struct edit_outcome o;
        struct heard heard = {.stop = before};
        const struct edit_hooks hooks = {on_progress, stopping, &heard};
        order_run(&editor, &order, "id", &hooks, &o);
        assert_int_equal(o.end, EDIT_FAILED);
        assert_string_equal(o.detail, "the edit was stopped inside the server");
        assert_null(o.file.data);
        assert_int_equal(heard.steps, before ? 0 : 1);
        edit_order_free(&order);
    }
}

static bool stops_later(void *arg) {
    struct heard *h = arg;
    return ++h->calls > 20;
}

/* A picture has 32 rows: it is asked within them, and nothing of it is kept. */
static void test_stopped_while_a_picture_is_read(void **state) {
    (void)state;
    struct edit_order order = order_of("night");
    struct edit_outcome o;
    struct heard heard = {0};
    const struct edit_hooks hooks = {NULL, stops_later, &heard};
    order_run(&editor, &order, "id", &hooks, &o);
    assert_int_equal(heard.calls, 21);
    assert_int_equal(o.end, EDIT_FAILED);
    assert_string_equal(o.detail, "the edit was stopped inside the server");
    edit_order_free(&order);
}

static void test_failures(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *file; /* NULL: a good one */
        enum edit_end end;
        const char *detail;
    } cases[] = {
        {"night", "no picture", EDIT_INVALID_FILE, "image 1: "},
        {"night", "\x89PNG\r\n\x1a\n", EDIT_INVALID_IMAGE, "image 1: "},
        {"fail=invalid", NULL, EDIT_INVALID_REQUEST, "the prompt has 2000 tokens"},
        {"fail=path", NULL, EDIT_INVALID_REQUEST, "the model cannot do this edit"}, /* no path */
        {"fail=no-memory", NULL, EDIT_NO_MEMORY, "memory does not suffice for this edit"},
        {"fail=not-finite", NULL, EDIT_FAILED, "the edit produced numbers that are no picture"},
        {"fail=io", NULL, EDIT_FAILED, "the edit failed inside the server"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct edit_order order = order_of(cases[i].prompt);
        struct edit_outcome o;
        const struct edit_hooks hooks = {NULL, never, NULL};
        if (cases[i].file) {
            buffer_free(&order.files[0]);
            assert_int_equal(
                buffer_append(&order.files[0], cases[i].file, strlen(cases[i].file), NULL),
                STATUS_OK);
        }
        order_run(&editor, &order, "id", &hooks, &o);
        assert_int_equal(o.end, cases[i].end);
        assert_true(strncmp(o.detail, cases[i].detail, strlen(cases[i].detail)) == 0);
        assert_null(o.file.data);
        edit_order_free(&order);
    }
}

/* The same picture comes of an order that went through its text. */
static void test_order_from_elsewhere(void **state) {
    (void)state;
    struct edit_order here = order_of("night"), there = {0};
    struct buffer text = {0}, pictures = {0};
    struct edit_outcome a, b;
    char id[REQUEST_ID_MAX + 1];
    const struct edit_hooks hooks = {NULL, never, NULL};
    assert_int_equal(order_text_write(&text, &here, "id", NULL), STATUS_OK);
    assert_int_equal(order_text_write_pictures(&pictures, &here, NULL), STATUS_OK);
    assert_int_equal(
        order_text_read(&there, id, text.data, text.size, pictures.data, pictures.size, NULL),
        STATUS_OK);
    order_run(&editor, &here, "id", &hooks, &a);
    order_run(&editor, &there, id, &hooks, &b);
    assert_int_equal(b.end, EDIT_DONE);
    assert_int_equal(a.file.size, b.file.size);
    assert_memory_equal(a.file.data, b.file.data, a.file.size);
    buffer_free(&text);
    buffer_free(&pictures);
    buffer_free(&a.file);
    buffer_free(&b.file);
    edit_order_free(&here);
    edit_order_free(&there);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_picture_comes_of_it),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_while_a_picture_is_read),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_order_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
