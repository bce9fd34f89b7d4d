/*
 * firered serve with a real model: a posted edit has the bytes that `firered edit` writes.
 */
#include "support/unit_test.h"

#include <signal.h>
#include <unistd.h>

#include "http/harness.h"
#include "program/program.h"

static struct server_process server;

static void start_server(const char *model, const char *dtype, const char *lora) {
    char model_id[300], type[40], adapters[400];
    snprintf(model_id, sizeof model_id, "MODEL_ID=%s", model);
    snprintf(type, sizeof type, "DTYPE=%s", dtype);
    snprintf(adapters, sizeof adapters, "LORA=%s", lora); /* empty: unset */
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    server_start(&server, (const char *const[]){model_id, type, adapters, NULL});
    for (int64_t until = now_ms() + HANG_SECONDS * 1000;; sleep_ms(10)) {
        struct answer a;
        http_get(&server, "/ready", &a);
        int status = a.status;
        answer_free(&a);
        if (status == 200) return;
        assert_int_equal(status, 503);
        assert_true(now_ms() < until);
    }
}

/* Several parts of the form have the same name where the case has several pictures. */
static void post_case(const struct reference_case *c, const char *format, struct answer *out) {
    struct form f = {{0}};
    char text[64];
    for (size_t i = 0; i < c->edit.picture_count; i++) {
        char path[700];
        struct buffer picture;
        snprintf(path, sizeof path, "%s/input%zu.png", c->folder, i);
        picture = read_bytes(path);
        form_file(&f, "image", "picture.png", picture.data, picture.size);
        buffer_free(&picture);
    }
    form_field(&f, "prompt", c->prompt);
    if (c->negative_prompt) form_field(&f, "negative_prompt", c->negative_prompt);
    snprintf(text, sizeof text, "%llu", (unsigned long long)c->edit.seed);
    form_field(&f, "seed", text);
    snprintf(text, sizeof text, "%d", c->edit.steps);
    form_field(&f, "steps", text);
    snprintf(text, sizeof text, "%.17g", c->edit.guidance_scale);
    form_field(&f, "guidance_scale", text);
    if (c->edit.width) {
        snprintf(text, sizeof text, "%d", c->edit.width);
        form_field(&f, "width", text);
        snprintf(text, sizeof text, "%d", c->edit.height);
        form_field(&f, "height", text);
    }
    if (format) form_field(&f, "output_format", format);
    form_end(&f);
    http_post_form(&server, &f, out);
}

static void assert_header(const struct answer *a, const char *name, double value) {
    const char *text = answer_header(a, name);
    assert_non_null(text);
    if (strtod(text, NULL) != value) fail_msg("%s: %s", name, text);
}

static void same_as_edit(const char *model, const char *name, const char *lora, const char *format,
                         const char *file) {
    static struct command_line line;
    static struct child child;
    struct reference_case c;
    struct answer a;
    struct buffer edited;
    char path[300];
    snprintf(path, sizeof path, "%s/%s", model, name);
    reference_case_open(&c, path);
    post_case(&c, format, &a);
    if (a.status != 200) fail_msg("%d: %s", a.status, a.body.data ? a.body.data : "");
    snprintf(path, sizeof path, "%s/%s/model", TEST_DATA, model);
    line_start(&line, "edit");
    line_add_case(&line, &c, path);
    if (lora) line_add(&line, "--lora", "%s", lora);
    line_add(&line, "--output", "%s", file);
    line_add_switch(&line, "--force");
    line_run_well(&line, &child);
    edited = read_bytes(file);
    assert_int_equal(a.body.size, edited.size);
    assert_memory_equal(a.body.data, edited.data, edited.size);
    assert_header(&a, "X-Seed", (double)c.edit.seed);
    assert_header(&a, "X-Steps", c.edit.steps);
    assert_header(&a, "X-Guidance-Scale", c.edit.guidance_scale);
    assert_header(&a, "Content-Length", (double)edited.size);
    assert_non_null(answer_header(&a, "X-Request-ID"));
    assert_non_null(answer_header(&a, "Server-Timing"));
    snprintf(path, sizeof path, "image/%s", format ? format : "png");
    assert_string_equal(answer_header(&a, "Content-Type"), path);
    buffer_free(&edited);
    answer_free(&a);
    reference_case_close(&c);
}

static void test_float32(void **state) {
    (void)state;
    start_server(TINY_MODEL, "float32", "");
    same_as_edit(TINY, "one-image-cfg", NULL, NULL, "out/a.png");
    same_as_edit(TINY, "two-images-no-cfg", NULL, NULL, "out/b.png");
    same_as_edit(TINY, "three-images-size", NULL, "png", "out/c.png");
    same_as_edit(TINY, "one-image-cfg", NULL, "jpeg", "out/a.jpg");
    same_as_edit(TINY, "one-image-cfg", NULL, "webp", "out/a.webp");
    same_as_edit(TINY, "one-image-cfg", NULL, NULL,
                 "out/a.png"); /* nothing is left over from the others */
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

static void test_lora(void **state) {
    (void)state;
    static const char lora[] = TEST_DATA "/tiny-edit/lora_kohya.safetensors:0.7";
    start_server(TINY_MODEL, "float32", lora);
    same_as_edit(TINY, "lora-0.7", lora, NULL, "out/a.png");
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

static void test_bfloat16(void **state) {
    (void)state;
    start_server(BF16_MODEL, "bfloat16", "");
    same_as_edit(BF16, "bf16-zero-cond-t", NULL, NULL, "out/a.png");
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* Clients at the same time get what each of them would get alone. */
struct client {
    pthread_t thread;
    struct reference_case c;
    struct answer a;
};

static void *post(void *arg) {
    struct client *client = arg;
    post_case(&client->c, NULL, &client->a);
    return NULL;
}

static void test_at_the_same_time(void **state) {
    (void)state;
    static const char *const names[] = {TINY "/one-image-cfg", TINY "/two-images-no-cfg",
                                        TINY "/three-images-size"};
    enum { CLIENTS = 9 };
    static struct client clients[CLIENTS];
    start_server(TINY_MODEL, "float32", "");
    for (int i = 0; i < CLIENTS; i++) reference_case_open(&clients[i].c, names[i % 3]);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, post, &clients[i]), 0);
    for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i].thread, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        const struct buffer *body = &clients[i].a.body, *first = &clients[i % 3].a.body;
        assert_int_equal(clients[i].a.status, 200);
        assert_int_equal(body->size, first->size);
        assert_memory_equal(body->data, first->data, body->size);
    }
    for (int i = 0; i < CLIENTS; i++) {
        answer_free(&clients[i].a);
        reference_case_close(&clients[i].c);
    }
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

static void post_bytes(const void *bytes, size_t size, const char *prompt, const char *steps,
                       struct answer *a) {
    struct form f = {{0}};
    form_file(&f, "image", "a.png", bytes, size);
    form_field(&f, "prompt", prompt);
    form_field(&f, "steps", steps);
    form_end(&f);
    http_post_form(&server, &f, a);
}

/* A wrong request is answered, and the next right one as ever. */
static void test_wrong_requests(void **state) {
    (void)state;
    struct buffer half;
    struct answer a;
    start_server(TINY_MODEL, "float32", "");
    post_bytes("<html>", 6, "a hat", "1", &a);
    assert_error(&a, 400, "invalid_file");
    answer_free(&a);
    half = read_bytes(TEST_DATA "/decode/bad-half.png");
    post_bytes(half.data, half.size, "a hat", "1", &a);
    assert_error(&a, 400, "invalid_image");
    answer_free(&a);
    buffer_free(&half);
    half = read_bytes(TEST_DATA "/decode/rgb.png");
    post_bytes(half.data, half.size, " ", "1", &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    post_bytes(half.data, half.size, "a hat", "one", &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    struct buffer words = {0};
    for (int i = 0; i < 3000; i++) buffer_printf(&words, "%d ", i);
    post_bytes(half.data, half.size, words.data, "1", &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    buffer_free(&words);
    buffer_free(&half);
    same_as_edit(TINY, "one-image-cfg", NULL, NULL, "out/a.png");
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

/* The edit that warms the server up finds out what no look at the files can. */
static void test_broken_weights(void **state) {
    (void)state;
    static char log[16384];
    char model[600], *here = realpath("out", NULL);
    snprintf(model, sizeof model, "MODEL_ID=%s/m", here);
    free(here);
    link_model("out/m", TINY_MODEL);
    patch_json("out/m/vae/config.json", "latents_std", "[1e300,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]");
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    assert_int_equal(server_fails((const char *const[]){model, NULL}, log, sizeof log), 1);
    assert_non_null(strstr(log, "not a number"));
}

/* A file of the model is cut down while it is served: no edit any more, but a process that says so. */
static void cut_while_serving(const char *limit, const char *file) {
    struct reference_case c;
    struct answer a;
    char model[600], path[700], *here = realpath("out", NULL);
    reference_case_open(&c, TINY "/one-image-cfg");
    link_model("out/m", TINY_MODEL);
    snprintf(model, sizeof model, "%s/m", here);
    snprintf(path, sizeof path, "%s/%s", model, file);
    struct buffer bytes = read_bytes(path);
    write_bytes(path, bytes.data, bytes.size);
    buffer_free(&bytes);
    setenv("MEMORY_LIMIT", limit, 1);
    setenv("MAX_CONCURRENT_JOBS", "1", 1);
    start_server(model, "float32", "");
    post_case(&c, NULL, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(truncate(path, 100000), 0);
    post_case(&c, NULL, &a);
    assert_error(&a, 503, "inference_error");
    assert_null(strstr(a.body.data, "safetensors"));
    answer_free(&a);
    server_wait_log(&server, path);
    http_get(&server, "/ready", &a);
    assert_error(&a, 503, "inference_error");
    answer_free(&a);
    http_get(&server, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&server, SIGTERM), 0);
    reference_case_close(&c);
    free(here);
}

static void test_cut_while_streaming(void **state) {
    (void)state;
    cut_while_serving("16M", "transformer/diffusion_pytorch_model.safetensors");
}

static void test_cut_while_resident(void **state) {
    (void)state;
    cut_while_serving("", "text_encoder/model.safetensors");
}

static void test_wrong_model(void **state) {
    (void)state;
    static char log[16384];
    char model[600], *here = realpath("out", NULL);
    snprintf(model, sizeof model, "MODEL_ID=%s/m", here);
    free(here);
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    assert_int_not_equal(server_fails((const char *const[]){model, NULL}, log, sizeof log), 0);
    assert_non_null(strstr(log, "out/m"));
    link_model("out/m", TINY_MODEL);
    cut_file("out/m/vae/diffusion_pytorch_model.safetensors", -100);
    assert_int_not_equal(server_fails((const char *const[]){model, NULL}, log, sizeof log), 0);
    assert_non_null(strstr(log, "is truncated"));
    assert_null(strstr(log, "Sanitizer"));
}

/* Conda's compilers export a HOST that is none. */
static void test_foreign_host(void **state) {
    (void)state;
    struct command_line line;
    line_start(&line, "serve");
    line_add(&line, "--model", "%s", TINY_MODEL);
    line_add(&line, "--log-level", "error");
    setenv("HOST", "x86_64-conda-linux-gnu", 1);
    line_run_badly(&line, "cannot listen on HOST=x86_64-conda-linux-gnu (from the environment): ");
    line_run_badly(&line, "unset HOST, or say --host 0.0.0.0");
    unsetenv("HOST");
    line_add(&line, "--host", "x86_64-conda-linux-gnu");
    line_run_badly(&line, "cannot listen on HOST=x86_64-conda-linux-gnu: ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_float32),
        TEST(test_lora),
        TEST(test_bfloat16),
        TEST(test_at_the_same_time),
        TEST(test_wrong_requests),
        TEST(test_broken_weights),
        TEST(test_wrong_model),
        TEST(test_foreign_host),
        TEST(test_cut_while_streaming),
        TEST(test_cut_while_resident),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
