/* POST /edit as it should go, row by row of the contract, and every way in which an edit itself may
 * fail. */
#include "support/unit_test.h"

#include <curl/curl.h>
#include <unistd.h>

#include "firered/picture.h"
#include "http/harness.h"
#include "image/decode.h"
#include "image/encode.h"
#include "support/files.h"

static struct server_process server;

static void edit_with(struct server_process *s, const char *name, const char *value,
                      struct answer *a) {
    struct form f;
    form_edit(&f, "night", name, value, NULL);
    http_post_form(s, &f, a);
}

static void check_size(const struct answer *a, int width, int height) {
    struct picture p;
    assert_int_equal(picture_decode(&p, a->body.data, a->body.size, 1 << 26, NULL), STATUS_OK);
    assert_int_equal(p.width, width);
    assert_int_equal(p.height, height);
    picture_free(&p);
}

static void test_answer(void **state) {
    (void)state;
    struct form f;
    struct answer a;
    form_edit(&f, "make it night", "seed", "18446744073709551615", "steps", "3", "guidance_scale",
              "2.5", NULL);
    http_post_form(&server, &f, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Type"), "image/png");
    assert_string_equal(answer_header(&a, "X-Seed"), "18446744073709551615");
    assert_string_equal(answer_header(&a, "X-Steps"), "3");
    assert_string_equal(answer_header(&a, "X-Guidance-Scale"), "2.5");
    assert_string_equal(answer_header(&a, "X-Model"), server_model());
    assert_int_equal(strlen(answer_header(&a, "X-Request-ID")), 32);
    double queue, encode, denoise, decode;
    assert_int_equal(sscanf(answer_header(&a, "Server-Timing"),
                            "queue;dur=%lf, encode;dur=%lf, denoise;dur=%lf, decode;dur=%lf",
                            &queue, &encode, &denoise, &decode),
                     4);
    assert_true(queue >= 0 && encode >= 0 && denoise >= 0 && decode >= 0);
    struct picture_header header;
    assert_int_equal(picture_probe(&header, a.body.data, a.body.size, NULL), STATUS_OK);
    assert_int_equal(header.format, PICTURE_PNG);
    if (!server_is_real()) check_size(&a, 48, 32); /* the real one has an area of its own */
    answer_free(&a);
}

static void test_seed(void **state) {
    (void)state;
    static const char *const random[] = {"", "-1"};
    char first[32] = "";
    for (int i = 0; i < 4; i++) {
        struct answer a;
        edit_with(&server, "seed", random[i % 2], &a);
        assert_int_equal(a.status, 200);
        const char *seed = answer_header(&a, "X-Seed");
        assert_true(strlen(seed) > 0 && strspn(seed, "0123456789") == strlen(seed));
        assert_string_not_equal(seed, first);
        snprintf(first, sizeof first, "%s", seed);
        answer_free(&a);
    }
    static const char *const given[][2] = {{"0", "0"}, {"42", "42"}, {"007", "7"}};
    for (int i = 0; i < 3; i++) {
        struct answer a, b;
        edit_with(&server, "seed", given[i][0], &a);
        edit_with(&server, "seed", given[i][1], &b);
        assert_string_equal(answer_header(&a, "X-Seed"), given[i][1]);
        assert_true(a.body.size == b.body.size &&
                    memcmp(a.body.data, b.body.data, a.body.size) == 0);
        answer_free(&a);
        answer_free(&b);
    }
}

static void check_header(struct server_process *s, const char *name, const char *value,
                         const char *header, const char *wanted) {
    struct answer a;
    edit_with(s, name, value, &a);
    if (a.status != 200) fail_msg("%s=%s: %d %s", name, value, a.status, a.body.data);
    assert_string_equal(answer_header(&a, header), wanted);
    answer_free(&a);
}

static void test_numbers_in_range(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    check_header(&server, "steps", "1", "X-Steps", "1");
    check_header(&server, "steps", "100", "X-Steps", "100");
    check_header(&server, "steps", "007", "X-Steps", "7");
    check_header(&server, "steps", "", "X-Steps", "28");
    check_header(&server, "guidance_scale", "0", "X-Guidance-Scale", "0");
    check_header(&server, "guidance_scale", "30", "X-Guidance-Scale", "30");
    check_header(&server, "guidance_scale", "30.0e0", "X-Guidance-Scale", "30");
    check_header(&server, "guidance_scale", ".5", "X-Guidance-Scale", "0.5");
    check_header(&server, "guidance_scale", "4.", "X-Guidance-Scale", "4");
    check_header(&server, "guidance_scale", "", "X-Guidance-Scale", "7");
}

static void test_defaults(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"FAKE_STEPS=8", "FAKE_GUIDANCE=4.5", NULL});
    check_header(&s, "seed", "1", "X-Steps", "8");
    check_header(&s, "seed", "1", "X-Guidance-Scale", "4.5");
    assert_int_equal(server_stop(&s, 15), 0);

    server_start_ready(&s, (const char *[]){"FAKE_STEPS=8", "FAKE_GUIDANCE=4.5", "DEFAULT_STEPS=5",
                                            "DEFAULT_GUIDANCE=3", NULL});
    check_header(&s, "seed", "1", "X-Steps", "5");
    check_header(&s, "seed", "1", "X-Guidance-Scale", "3");
    check_header(&s, "steps", "6", "X-Steps", "6");
    check_header(&s, "guidance_scale", "2", "X-Guidance-Scale", "2");
    assert_int_equal(server_stop(&s, 15), 0);

    server_start_ready(&s, (const char *[]){"FAKE_DISTILLED=1", "DEFAULT_GUIDANCE=3", NULL});
    check_header(&s, "seed", "1", "X-Guidance-Scale", "1");
    check_header(&s, "guidance_scale", "5", "X-Guidance-Scale", "1");
    struct answer a;
    edit_with(&s, "guidance_scale", "31", &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* What NEGATIVE_PROMPT is made of is seen in the bytes of the picture. */
static void test_negative_prompt(void **state) {
    (void)state;
    struct server_process s;
    struct form f;
    struct answer space, ugly, given, empty;
    form_edit(&f, "night", "seed", "1", NULL);
    http_post_form(&server, &f, &space);
    server_start_ready(&s, (const char *[]){"NEGATIVE_PROMPT=ugly", NULL});
    form_edit(&f, "night", "seed", "1", NULL);
    http_post_form(&s, &f, &ugly);
    form_edit(&f, "night", "seed", "1", "negative_prompt", "ugly", NULL);
    http_post_form(&server, &f, &given);
    form_edit(&f, "night", "seed", "1", "negative_prompt", "", NULL);
    http_post_form(&server, &f, &empty);
    assert_memory_equal(ugly.body.data, given.body.data, ugly.body.size);
    assert_memory_equal(space.body.data, empty.body.data, space.body.size);
    assert_memory_not_equal(space.body.data + space.body.size / 2,
                            ugly.body.data + space.body.size / 2, 100);
    answer_free(&space);
    answer_free(&ugly);
    answer_free(&given);
    answer_free(&empty);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *value, *type;
        enum picture_format format;
    } formats[] = {{"", "image/png", PICTURE_PNG},
                   {"png", "image/png", PICTURE_PNG},
                   {"jpeg", "image/jpeg", PICTURE_JPEG},
                   {"webp", "image/webp", PICTURE_WEBP}};
    for (size_t i = 0; i < 4; i++) {
        struct answer a;
        struct picture_header header;
        edit_with(&server, "output_format", formats[i].value, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Content-Type"), formats[i].type);
        assert_int_equal(picture_probe(&header, a.body.data, a.body.size, NULL), STATUS_OK);
        assert_int_equal(header.format, formats[i].format);
        answer_free(&a);
    }
}

static void test_sizes(void **state) {
    (void)state;
    static const int sizes[][4] = {{64, 64, 64, 64}, {2048, 64, 2048, 64}, {100, 79, 96, 64}};
    for (int i = 0; i < 3; i++) {
        char width[16], height[16];
        struct form f;
        struct answer a;
        snprintf(width, sizeof width, "%d", sizes[i][0]);
        snprintf(height, sizeof height, "%d", sizes[i][1]);
        form_edit(&f, "night", "width", width, "height", height, NULL);
        http_post_form(&server, &f, &a);
        assert_int_equal(a.status, 200);
        check_size(&a, sizes[i][2], sizes[i][3]);
        answer_free(&a);
    }
    struct form f;
    struct answer a;
    form_edit(&f, "night", "width", "", "height", "", NULL);
    http_post_form(&server, &f, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
}

static void edit_file(const char *name, const struct buffer *bytes, const char *size,
                      const char *format, struct answer *a) {
    struct form f = {0};
    form_file(&f, "image", name, bytes->data, bytes->size);
    form_field(&f, "prompt", "night");
    form_field(&f, "steps", "1");
    form_field(&f, "size", size);
    form_field(&f, "output_format", format);
    form_end(&f);
    http_post_form(&server, &f, a);
}

static void test_size_of_the_input(void **state) {
    (void)state;
    static const int sizes[][2] = {{333, 517}, {64, 2000}, {1, 1}, {3, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer png = {0};
        struct answer a;
        make_png(&png, sizes[i][0], sizes[i][1]);
        edit_file("a.png", &png, "input", "webp", &a);
        assert_int_equal(a.status, 200);
        check_size(&a, sizes[i][0], sizes[i][1]);
        answer_free(&a);
        buffer_free(&png);
    }
    struct buffer lying = read_bytes(TEST_DATA "/decode/exif-6.jpg"); /* 53x37, to be turned */
    struct answer a;
    edit_file("a.jpg", &lying, "input", "png", &a);
    assert_int_equal(a.status, 200);
    check_size(&a, 37, 53);
    answer_free(&a);
    buffer_free(&lying);
}

static void test_size_in_words(void **state) {
    (void)state;
    struct buffer png = {0};
    struct answer a, b;
    make_png(&png, 50, 40);
    edit_file("a.png", &png, "100x079", "png", &a);
    assert_int_equal(a.status, 200);
    check_size(&a, 96, 64);
    answer_free(&a);
    edit_file("a.png", &png, "model", "png", &a);
    edit_file("a.png", &png, "", "png", &b);
    struct picture_header model, none;
    assert_int_equal(picture_probe(&model, a.body.data, a.body.size, NULL), STATUS_OK);
    assert_int_equal(picture_probe(&none, b.body.data, b.body.size, NULL), STATUS_OK);
    assert_true(model.width == none.width && model.height == none.height);
    answer_free(&a);
    answer_free(&b);
    buffer_free(&png);
}

/* Told before the edit, not after it. */
static void test_size_beyond_the_format(void **state) {
    (void)state;
    struct buffer png = {0};
    struct answer a;
    make_png(&png, 16400, 100);
    edit_file("a.png", &png, "input", "webp", &a);
    assert_error(&a, 400, "invalid_request");
    assert_non_null(strstr(answer_string(&a, "detail"), "16383"));
    answer_free(&a);
    edit_file("a.png", &png, "64x64", "webp", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    buffer_free(&png);
}

/* One to three pictures, the last gives the size; every format, whatever name and type the part
 * claims. */
static void test_pictures(void **state) {
    (void)state;
    static const char *const files[] = {"rgb.png",  "q80-s2.jpg", "lossy.webp",
                                        "cmyk.jpg", "gray16.png", "animated.webp"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct buffer bytes = read_bytes(in_folder(TEST_DATA "/decode", files[i]));
        struct form f = {0};
        struct answer a;
        form_field(&f, "prompt", "night");
        form_file(&f, "image", "not-a-picture.txt", bytes.data, bytes.size);
        form_end(&f);
        http_post_form(&server, &f, &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
        buffer_free(&bytes);
    }
    struct buffer wide = {0}, high = {0};
    make_png(&wide, 48, 32);
    make_png(&high, 32, 64);
    for (int n = 2; n <= 3; n++) {
        struct form f = {0};
        struct answer a;
        for (int i = 1; i < n; i++) form_file(&f, "image", "a", wide.data, wide.size);
        form_bytes(&f, "image", high.data, high.size); /* without a file name */
        form_file(&f, "image", "", "", 0);             /* a file input left empty */
        form_field(&f, "prompt", "night");
        form_end(&f);
        http_post_form(&server, &f, &a);
        assert_int_equal(a.status, 200);
        if (!server_is_real()) check_size(&a, 32, 64);
        answer_free(&a);
    }
    buffer_free(&wide);
    buffer_free(&high);
}

/* A model may take fewer: no edit begins that would leave one out. */
static void test_max_pictures(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const char *const routes[] = {"/edit", "/v1/jobs"};
    struct server_process s;
    struct buffer png = {0};
    make_png(&png, 48, 32);
    server_start_ready(&s, (const char *[]){"FAKE_MAX_PICTURES=1", NULL});
    for (int i = 0; i < 4; i++) {
        struct form f = {0};
        struct answer a;
        for (int n = 0; n <= i % 2; n++) form_file(&f, "image", "a.png", png.data, png.size);
        form_field(&f, "prompt", "night");
        form_end(&f);
        http_request(&s, "POST", routes[i / 2],
                     "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n", f.body.data,
                     f.body.size, &a);
        if (i % 2) {
            assert_error(&a, 400, "invalid_request");
            assert_string_equal(answer_string(&a, "detail"),
                                "an edit with this model takes at most 1 picture; image is given "
                                "more often");
        } else {
            assert_int_equal(a.status, i < 2 ? 200 : 202);
        }
        answer_free(&a);
        form_free(&f);
    }
    buffer_free(&png);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void edit_with_unknown(const char *file, const char *const *names, struct answer *a) {
    struct form f = {0};
    struct buffer png = {0};
    char *large = calloc(1, 1 << 20);
    assert_non_null(large);
    make_png(&png, 48, 32);
    if (file) form_file(&f, file, "a.png", large, 1 << 20);
    form_file(&f, "image", "a.png", png.data, png.size);
    form_field(&f, "prompt", "Gr\xc3\xbc\xc3\x9f Gott \xf0\x9f\x8c\x99");
    for (; names && *names; names++) form_field(&f, *names, "0.5");
    form_end(&f);
    http_post_form(&server, &f, a);
    buffer_free(&png);
    free(large);
}

/* None is ignored in silence, and none ends the list before its time. */
static void test_unknown_fields(void **state) {
    (void)state;
    struct answer a;
    edit_with_unknown(NULL, NULL, &a);
    assert_null(answer_header(&a, "X-Ignored-Fields"));
    answer_free(&a);
    edit_with_unknown("mask", (const char *[]){"strength", "user", "strength", "use", NULL}, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "X-Ignored-Fields"), "mask, strength, user, use");
    answer_free(&a);
    edit_with_unknown(NULL, (const char *[]){"a, b", "f\xc3\xbcr", "c\\d", NULL}, &a);
    assert_string_equal(answer_header(&a, "X-Ignored-Fields"),
                        "\"a, b\", \"f\xc3\xbcr\", \"c\\\\d\"");
    answer_free(&a);
    char names[20][64];
    const char *list[21] = {NULL};
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "x%059d", i);
        list[i] = names[i];
    }
    edit_with_unknown(NULL, list, &a);
    const char *told = answer_header(&a, "X-Ignored-Fields");
    assert_int_equal(strlen(told), 8 * 62 - 2 + 5);
    assert_string_equal(told + strlen(told) - 6, "7, ...");
    answer_free(&a);
}

static void test_nearly_known_fields(void **state) {
    (void)state;
    static const char *const near[][2] = {
        {"stpes", "steps"}, {"Prompt", "prompt"}, {"prompt[]", "prompt"}, {"imge", "image"}};
    struct answer a;
    char wanted[80];
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        edit_with_unknown(NULL, (const char *[]){near[i][0], NULL}, &a);
        assert_error(&a, 400, "invalid_request");
        snprintf(wanted, sizeof wanted, "'%s' is no field of this form; did you mean %s?",
                 near[i][0], near[i][1]);
        assert_string_equal(answer_string(&a, "detail"), wanted);
        answer_free(&a);
    }
    edit_with_unknown("image2", NULL, &a); /* a file */
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
}

/* Both names are one field. */
static void test_aliases(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const struct {
        const char *fields[5];
        const char *steps, *scale, *detail; /* NULL: it is taken */
    } cases[] = {{{"num_inference_steps", "3", "true_cfg_scale", "2.5"}, "3", "2.5", NULL},
                 {{"num_inference_steps", "3", "steps", "03"}, "3", "7", NULL},
                 {{"num_inference_steps", "", "steps", "4"}, "4", "7", NULL},
                 {{"guidance_scale", "2.5", "true_cfg_scale", "2.50"}, "28", "2.5", NULL},
                 {{"num_inference_steps", "3", "steps", "2"},
                  NULL,
                  NULL,
                  "steps and num_inference_steps disagree, though they are the same: send one"},
                 {{"guidance_scale", "1", "true_cfg_scale", "2"},
                  NULL,
                  NULL,
                  "guidance_scale and true_cfg_scale disagree, though they are the same: send one"},
                 {{"num_inference_steps", "0"},
                  NULL,
                  NULL,
                  "num_inference_steps must be a whole number from 1 to 100, not '0'"},
                 {{"true_cfg_scale", "1", "true_cfg_scale", "1"},
                  NULL,
                  NULL,
                  "true_cfg_scale is given twice"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *n = cases[i].fields;
        struct form f;
        struct answer a;
        form_edit(&f, "night", n[0], n[1], n[2], n[3], NULL);
        http_post_form(&server, &f, &a);
        if (cases[i].detail) {
            assert_error(&a, 400, "invalid_request");
            assert_string_equal(answer_string(&a, "detail"), cases[i].detail);
        } else {
            assert_int_equal(a.status, 200);
            assert_string_equal(answer_header(&a, "X-Steps"), cases[i].steps);
            assert_string_equal(answer_header(&a, "X-Guidance-Scale"), cases[i].scale);
        }
        answer_free(&a);
    }
}

/* Windows' editors put it there. */
static void test_byte_order_mark(void **state) {
    (void)state;
    struct form f;
    struct answer without, with, alone;
    form_edit(&f, "night", "seed", "1", "negative_prompt", "fog", NULL);
    http_post_form(&server, &f, &without);
    form_edit(&f, "\xef\xbb\xbfnight", "seed", "1", "negative_prompt",
              "\xef\xbb\xbf"
              "fog",
              NULL);
    http_post_form(&server, &f, &with);
    assert_int_equal(with.status, 200);
    assert_int_equal(with.body.size, without.body.size);
    assert_memory_equal(with.body.data, without.body.data, with.body.size); /* its record too */
    form_edit(&f, "\xef\xbb\xbf", "seed", "1", NULL);
    http_post_form(&server, &f, &alone);
    assert_error(&alone, 400, "invalid_request");
    answer_free(&without);
    answer_free(&with);
    answer_free(&alone);
}

static void test_failures(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const struct {
        const char *prompt;
        int status;
        const char *code;
    } rows[] = {
        {"fail=invalid", 400, "invalid_request"},    {"fail=no-memory", 503, "gpu_oom"},
        {"fail=not-finite", 503, "inference_error"}, {"fail=internal", 503, "inference_error"},
        {"fail=io", 503, "inference_error"},         {"fail=path", 400, "invalid_request"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;
        http_edit(&server, rows[i].prompt, &a);
        assert_error(&a, rows[i].status, rows[i].code);
        assert_null(answer_header(&a, "Retry-After"));
        answer_free(&a);
        http_edit(&server, "goes on", &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    struct answer a;
    http_edit(&server, "fail=invalid", &a);
    assert_non_null(strstr(answer_string(&a, "detail"), "1024")); /* the engine's own words */
    answer_free(&a);
    assert_true(
        server_logged(&server, "/secret/source.c")); /* the log knows what the client is not told */
}

static void test_log_line(void **state) {
    (void)state;
    struct form f;
    struct answer a;
    form_edit(&f, "a secret wish", "seed", "77", "steps", "2", NULL);
    http_request(&server, "POST", "/edit",
                 "X-Request-ID: log.line-1\r\nContent-Type: multipart/form-data; boundary=" BOUNDARY
                 "\r\n",
                 f.body.data, f.body.size, &a);
    form_free(&f);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "X-Request-ID"), "log.line-1");
    answer_free(&a);
    server_wait_log(&server, "request_id=log.line-1 method=POST route=/edit status=200");
    server_wait_log(&server, "outcome=ok pictures=1 prompt_bytes=13 seed=77 steps=2");
    assert_false(server_logged(&server, "secret wish"));
}

/* A usual client library, both ways in which it sends a form. */
static size_t keep(char *bytes, size_t one, size_t n, void *arg) {
    return buffer_append(arg, bytes, one * n, NULL) == STATUS_OK ? n : 0;
}

static void test_libcurl(void **state) {
    (void)state;
    struct buffer png = {0};
    make_png(&png, 200, 200);
    for (int chunked = 0; chunked < 2; chunked++) {
        char url[64];
        struct buffer body = {0};
        long status = 0;
        snprintf(url, sizeof url, "http://127.0.0.1:%d/edit", server.port);
        CURL *curl = curl_easy_init();
        assert_non_null(curl);
        curl_mime *mime = curl_mime_init(curl);
        curl_mimepart *part = curl_mime_addpart(mime);
        curl_mime_name(part, "image");
        curl_mime_filename(part, "photo \"1\".png");
        curl_mime_data(part, png.data, png.size);
        part = curl_mime_addpart(mime);
        curl_mime_name(part, "prompt");
        curl_mime_data(part, "night", CURL_ZERO_TERMINATED);
        struct curl_slist *headers =
            chunked ? curl_slist_append(NULL, "Transfer-Encoding: chunked") : NULL;
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HANG_SECONDS);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        assert_int_equal(status, 200);
        curl_mime_free(mime);
        curl_slist_free_all(headers);
        curl_easy_cleanup(curl);
        buffer_free(&body);
    }
    buffer_free(&png);
}

static int start(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_numbers_in_range),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_negative_prompt),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_size_of_the_input),
        cmocka_unit_test(test_size_in_words),
        cmocka_unit_test(test_size_beyond_the_format),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_max_pictures),
        cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_nearly_known_fields),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_log_line),
        cmocka_unit_test(test_libcurl),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
