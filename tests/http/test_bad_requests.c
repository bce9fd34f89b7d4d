/*
 * Bad requests by name, each with the answer that the contract has for it, all to one server: after
 * every one of them it still edits.
 */
#include "support/unit_test.h"

#include <unistd.h>

#include "config/fields.h"
#include "http/harness.h"
#include "support/child.h"
#include "support/files.h"

#define TYPE       "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n"
#define PART(name) "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_PART(name, file)                                                                      \
    "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" file        \
    "\"\r\n\r\n"
#define END    "--" BOUNDARY "--\r\n"
#define IMAGE  "@image@" /* stands for a part with a valid picture */
#define PROMPT PART("prompt") "make it night\r\n"

static struct server_process server;
static struct buffer png;

struct bad {
    const char *name;
    const char *body; /* its length is the Content-Length */
    const char *code;
    const char *headers; /* NULL: TYPE */
};

#define FIELD(name, value) IMAGE PROMPT PART(name) value "\r\n" END

static const struct bad bad_requests[] = {
    /* the picture */
    {"no image", PROMPT END, "invalid_file", NULL},
    {"no part at all", END, "invalid_file", NULL},
    {"image empty", FILE_PART("image", "a.png") "\r\n" PROMPT END, "invalid_file", NULL},
    {"image empty and without file name", PART("image") "\r\n" PROMPT END, "invalid_file", NULL},
    {"image input left empty", FILE_PART("image", "") "\r\n" PROMPT END, "invalid_file", NULL},
    {"image is text", FILE_PART("image", "a.png") "hello\r\n" PROMPT END, "invalid_file", NULL},
    {"image is a text field", PART("image") "a.png\r\n" PROMPT END, "invalid_file", NULL},
    {"image is SVG",
     FILE_PART("image", "a.svg") "<svg xmlns='http://www.w3.org/2000/svg'/>\r\n" PROMPT END,
     "invalid_file", NULL},
    {"image is PDF", FILE_PART("image", "a.pdf") "%PDF-1.4\r\n" PROMPT END, "invalid_file", NULL},
    {"image is a path", PART("image") "/etc/passwd\r\n" PROMPT END, "invalid_file", NULL},
    {"image is a URL", PART("image") "http://169.254.169.254/\r\n" PROMPT END, "invalid_file",
     NULL},
    {"second image is text", IMAGE FILE_PART("image", "b.png") "hello\r\n" PROMPT END,
     "invalid_file", NULL},
    {"second image empty", IMAGE FILE_PART("image", "b.png") "\r\n" PROMPT END, "invalid_file",
     NULL},
    {"PNG of its signature only", FILE_PART("image", "a.png") "\x89PNG\r\n\x1a\n\r\n" PROMPT END,
     "invalid_image", NULL},
    {"JPEG of its marker only", FILE_PART("image", "a.jpg") "\xff\xd8\xff\xe0\r\n" PROMPT END,
     "invalid_image", NULL},
    {"four images", IMAGE IMAGE IMAGE IMAGE PROMPT END, "invalid_request", NULL},
    /* the prompt */
    {"no prompt", IMAGE END, "invalid_request", NULL},
    {"prompt empty", IMAGE PART("prompt") "\r\n" END, "invalid_request", NULL},
    {"prompt of blanks", IMAGE PART("prompt") " \t\r\n \r\n" END, "invalid_request", NULL},
    {"prompt of Unicode blanks", IMAGE PART("prompt") "\xc2\xa0\xe3\x80\x80\r\n" END,
     "invalid_request", NULL},
    {"prompt not UTF-8", IMAGE PART("prompt") "caf\xe9\r\n" END, "invalid_request", NULL},
    {"prompt with overlong UTF-8", IMAGE PART("prompt") "a\xc0\xaf\r\n" END, "invalid_request",
     NULL},
    {"prompt with a surrogate", IMAGE PART("prompt") "\xed\xa0\xbd\r\n" END, "invalid_request",
     NULL},
    {"prompt twice", IMAGE PROMPT PROMPT END, "invalid_request", NULL},
    {"prompt as a file", IMAGE FILE_PART("prompt", "p.txt") "night\r\n" END, "invalid_request",
     NULL},
    {"negative_prompt not UTF-8", FIELD("negative_prompt", "\xff"), "invalid_request", NULL},
    {"negative_prompt twice",
     IMAGE PROMPT PART("negative_prompt") "a\r\n" PART("negative_prompt") "b\r\n" END,
     "invalid_request", NULL},
    /* the numbers */
    {"seed is a word", FIELD("seed", "abc"), "invalid_request", NULL},
    {"seed with a tail", FIELD("seed", "12abc"), "invalid_request", NULL},
    {"seed is -2", FIELD("seed", "-2"), "invalid_request", NULL},
    {"seed is 2^64", FIELD("seed", "18446744073709551616"), "invalid_request", NULL},
    {"seed is a fraction", FIELD("seed", "1.5"), "invalid_request", NULL},
    {"seed is hexadecimal", FIELD("seed", "0x10"), "invalid_request", NULL},
    {"seed with a blank before", FIELD("seed", " 1"), "invalid_request", NULL},
    {"seed with a blank behind", FIELD("seed", "1 "), "invalid_request", NULL},
    {"seed with a plus", FIELD("seed", "+5"), "invalid_request", NULL},
    {"seed of blanks", FIELD("seed", "  "), "invalid_request", NULL},
    {"seed huge",
     FIELD("seed",
           "111111111111111111111111111111111111111111111111111111111111111111111111111111"),
     "invalid_request", NULL},
    {"seed twice", IMAGE PROMPT PART("seed") "1\r\n" PART("seed") "1\r\n" END, "invalid_request",
     NULL},
    {"seed as a file", IMAGE PROMPT FILE_PART("seed", "s") "1\r\n" END, "invalid_request", NULL},
    {"guidance_scale is a word", FIELD("guidance_scale", "high"), "invalid_request", NULL},
    {"guidance_scale with a tail", FIELD("guidance_scale", "7.0x"), "invalid_request", NULL},
    {"guidance_scale is 1e999", FIELD("guidance_scale", "1e999"), "invalid_request", NULL},
    {"guidance_scale is nan", FIELD("guidance_scale", "nan"), "invalid_request", NULL},
    {"guidance_scale is inf", FIELD("guidance_scale", "inf"), "invalid_request", NULL},
    {"guidance_scale is negative", FIELD("guidance_scale", "-0.1"), "invalid_request", NULL},
    {"guidance_scale over 30", FIELD("guidance_scale", "30.01"), "invalid_request", NULL},
    {"guidance_scale with a comma", FIELD("guidance_scale", "7,5"), "invalid_request", NULL},
    {"guidance_scale twice",
     IMAGE PROMPT PART("guidance_scale") "1\r\n" PART("guidance_scale") "1\r\n" END,
     "invalid_request", NULL},
    {"steps is 0", FIELD("steps", "0"), "invalid_request", NULL},
    {"steps is negative", FIELD("steps", "-1"), "invalid_request", NULL},
    {"steps over MAX_STEPS", FIELD("steps", "101"), "invalid_request", NULL},
    {"steps is a fraction", FIELD("steps", "4.0"), "invalid_request", NULL},
    {"steps is a word", FIELD("steps", "ten"), "invalid_request", NULL},
    {"steps in other digits", FIELD("steps", "\xd9\xa3"), "invalid_request", NULL},
    {"steps twice", IMAGE PROMPT PART("steps") "1\r\n" PART("steps") "2\r\n" END, "invalid_request",
     NULL},
    {"width without height", FIELD("width", "512"), "invalid_request", NULL},
    {"height without width", FIELD("height", "512"), "invalid_request", NULL},
    {"width with empty height", IMAGE PROMPT PART("width") "512\r\n" PART("height") "\r\n" END,
     "invalid_request", NULL},
    {"width too small", IMAGE PROMPT PART("width") "63\r\n" PART("height") "512\r\n" END,
     "invalid_request", NULL},
    {"height too large", IMAGE PROMPT PART("width") "512\r\n" PART("height") "2049\r\n" END,
     "invalid_request", NULL},
    {"width is a word", IMAGE PROMPT PART("width") "wide\r\n" PART("height") "512\r\n" END,
     "invalid_request", NULL},
    {"width twice",
     IMAGE PROMPT PART("width") "64\r\n" PART("width") "64\r\n" PART("height") "64\r\n" END,
     "invalid_request", NULL},
    {"size is another word", FIELD("size", "auto"), "invalid_request", NULL},
    {"size of one side", FIELD("size", "512"), "invalid_request", NULL},
    {"size without a height", FIELD("size", "512x"), "invalid_request", NULL},
    {"size of three sides", FIELD("size", "512x512x512"), "invalid_request", NULL},
    {"size with blanks", FIELD("size", "512 x 512"), "invalid_request", NULL},
    {"size too small", FIELD("size", "63x512"), "invalid_request", NULL},
    {"size too large", FIELD("size", "512x2049"), "invalid_request", NULL},
    {"size twice", IMAGE PROMPT PART("size") "input\r\n" PART("size") "input\r\n" END,
     "invalid_request", NULL},
    {"size and width", IMAGE PROMPT PART("size") "input\r\n" PART("width") "64\r\n" END,
     "invalid_request", NULL},
    {"output_format unknown", FIELD("output_format", "gif"), "invalid_request", NULL},
    {"output_format in capitals", FIELD("output_format", "PNG"), "invalid_request", NULL},
    {"output_format twice",
     IMAGE PROMPT PART("output_format") "png\r\n" PART("output_format") "png\r\n" END,
     "invalid_request", NULL},
    /* the form */
    {"no body", NULL, "invalid_request", NULL},
    {"empty body", "", "invalid_request", NULL},
    {"body without the boundary", "hello", "invalid_request", NULL},
    {"another boundary", "--other\r\n", "invalid_request", NULL},
    {"no closing boundary", IMAGE PROMPT, "invalid_request", NULL},
    {"cut in a part's headers", IMAGE "--" BOUNDARY "\r\nContent-Dispo", "invalid_request", NULL},
    {"cut in a part's data", IMAGE PART("prompt") "make it", "invalid_request", NULL},
    {"cut in a boundary",
     IMAGE PART("prompt") "x\r\n--"
                          "----boun",
     "invalid_request", NULL},
    {"lines end in LF",
     "--" BOUNDARY "\nContent-Disposition: form-data; name=\"prompt\"\n\nx\n--" BOUNDARY "--\n",
     "invalid_request", NULL},
    {"part without headers", "--" BOUNDARY "\r\n\r\nx\r\n" END, "invalid_request", NULL},
    {"part without a name", "--" BOUNDARY "\r\nContent-Disposition: form-data\r\n\r\nx\r\n" END,
     "invalid_request", NULL},
    {"part with an empty name", PART("") "x\r\n" END, "invalid_request", NULL},
    {"part with two names", PART("a\"; name=\"b") "x\r\n" END, "invalid_request", NULL},
    {"part in base64",
     IMAGE "--" BOUNDARY "\r\nContent-Disposition: form-data; "
           "name=\"prompt\"\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n" END,
     "invalid_request", NULL},
    {"not multipart: JSON", "{\"prompt\":\"x\"}", "invalid_request",
     "Content-Type: application/json\r\n"},
    {"not multipart: urlencoded", "prompt=x", "invalid_request",
     "Content-Type: application/x-www-form-urlencoded\r\n"},
    {"not multipart: the picture itself", "\x89PNG", "invalid_request",
     "Content-Type: image/png\r\n"},
    {"multipart/mixed", IMAGE PROMPT END, "invalid_request",
     "Content-Type: multipart/mixed; boundary=" BOUNDARY "\r\n"},
    {"no Content-Type", IMAGE PROMPT END, "invalid_request", ""},
    {"no boundary", IMAGE PROMPT END, "invalid_request", "Content-Type: multipart/form-data\r\n"},
    {"empty boundary", IMAGE PROMPT END, "invalid_request",
     "Content-Type: multipart/form-data; boundary=\r\n"},
    {"two boundaries", IMAGE PROMPT END, "invalid_request",
     "Content-Type: multipart/form-data; boundary=a; boundary=b\r\n"},
    {"boundary too long", IMAGE PROMPT END, "invalid_request",
     "Content-Type: multipart/form-data; "
     "boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"},
    {"coded transfer", "hello", "invalid_request", TYPE "Transfer-Encoding: gzip, chunked\r\n"},
    {"Content-Length and chunked", "0\r\n\r\n", "invalid_request",
     TYPE "Transfer-Encoding: chunked\r\n"},
};

static void append_body(struct form *f, const char *text) {
    for (const char *at; (at = strstr(text, IMAGE)); text = at + strlen(IMAGE)) {
        buffer_append(&f->body, text, (size_t)(at - text), NULL);
        form_file(f, "image", "a.png", png.data, png.size);
    }
    form_raw(f, text);
}

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_requests / sizeof *bad_requests; i++) {
        const struct bad *b = &bad_requests[i];
        struct form f = {0};
        struct answer a;
        if (b->body) append_body(&f, b->body);
        http_request(&server, "POST", "/edit", b->headers ? b->headers : TYPE,
                     b->body ? f.body.data ? f.body.data : "" : NULL, f.body.size, &a);
        if (a.status != 400 || strcmp(answer_string(&a, "error"), b->code) != 0)
            fail_msg("%s: %d %s", b->name, a.status, a.body.data ? a.body.data : "");
        assert_error(&a, 400, b->code);
        answer_free(&a);
        form_free(&f);
    }
}

static void check_bytes(const char *field, const void *bytes, size_t size, int status,
                        const char *code) {
    struct form f = {0};
    struct answer a;
    bool image = strcmp(field, "image") == 0;
    if (image)
        form_file(&f, "image", "x", bytes, size);
    else
        form_file(&f, "image", "a.png", png.data, png.size);
    if (strcmp(field, "prompt") == 0)
        form_bytes(&f, "prompt", bytes, size);
    else
        form_field(&f, "prompt", "night");
    if (!image && strcmp(field, "prompt") != 0) form_bytes(&f, field, bytes, size);
    form_end(&f);
    http_post_form(&server, &f, &a);
    if (status == 200)
        assert_int_equal(a.status, 200);
    else
        assert_error(&a, status, code);
    answer_free(&a);
}

static void test_nul_bytes(void **state) {
    (void)state;
    check_bytes("prompt", "a\0b", 3, 400, "invalid_request");
    check_bytes("prompt", "\0", 1, 400, "invalid_request");
    check_bytes("negative_prompt", "a\0b", 3, 400, "invalid_request");
    check_bytes("seed", "1\0", 2, 400, "invalid_request");
    check_bytes("output_format", "png\0", 4, 400, "invalid_request");
}

static void test_huge_fields(void **state) {
    (void)state;
    char *huge = malloc(70000);
    assert_non_null(huge);
    memset(huge, 'a', 70000);
    if (server_is_real()) /* more than 1024 tokens */
        check_bytes("prompt", huge, 65536, 400, "invalid_request");
    else
        check_bytes("prompt", huge, 65536, 200, NULL);
    check_bytes("prompt", huge, 65537, 400, "invalid_request");
    check_bytes("negative_prompt", huge, 65537, 400, "invalid_request");
    check_bytes("steps", huge, 65, 400, "invalid_request");
    check_bytes("unknown", huge, 70000, 200, NULL);
    free(huge);
}

static void add_bad(struct form *f, const struct field *field) {
    form_field(f, field->name, field->kind == FIELD_TEXT ? "\xff" : "bad");
}

/* Of two wrong fields the one that is told is the table's first, whichever was sent first. */
static void test_order_of_checks(void **state) {
    (void)state;
    const struct field *rows[MAX_FIELDS];
    size_t n = 0;
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        bool alone = f->kind != FIELD_PICTURES && f->kind != FIELD_SIZE &&
                     strcmp(f->name, "width") != 0 && strcmp(f->name, "height") != 0;
        if ((f->places & FIELD_OF_EDIT) && alone) rows[n++] = f;
    }
    assert_true(n >= 6);
    for (size_t first = 0; first < n; first++)
        for (size_t second = first + 1; second < n; second++) {
            struct form f = {0};
            struct answer a;
            add_bad(&f, rows[second]);
            add_bad(&f, rows[first]);
            if (strcmp(rows[first]->name, "prompt") != 0) form_field(&f, "prompt", "night");
            form_bytes(&f, "image", png.data, png.size);
            form_end(&f);
            http_post_form(&server, &f, &a);
            assert_error(&a, 400, "invalid_request");
            const char *detail = answer_string(&a, "detail");
            size_t length = strlen(rows[first]->name);
            if (strncmp(detail, rows[first]->name, length) != 0 || detail[length] != ' ')
                fail_msg("%s and %s: %s", rows[first]->name, rows[second]->name, detail);
            answer_free(&a);
        }
}

/* The decoder's bad files: a header that gives itself away is refused before the queue, the rest by
 * the worker. */
static void test_bad_pictures(void **state) {
    (void)state;
    static const struct {
        const char *file, *code;
    } files[] = {
        {"bad-empty.png", "invalid_file"},  {"bad-text.png", "invalid_file"},
        {"bad-half.png", "invalid_image"},  {"bad-half.jpg", "invalid_image"},
        {"bad-half.webp", "invalid_image"}, {"bad-head.png", "invalid_image"},
        {"bad-head.jpg", "invalid_image"},  {"bad-head.webp", "invalid_image"},
        {"bad-zero.png", "invalid_image"},  {"bad-bomb.png", "invalid_image"},
        {"bad-flip.png", "invalid_image"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct buffer bytes = read_bytes(in_folder(TEST_DATA "/decode", files[i].file));
        print_message("%s\n", files[i].file);
        check_bytes("image", bytes.data ? bytes.data : "", bytes.size, 400, files[i].code);
        buffer_free(&bytes);
    }
}

/* The most memory that the server ever had, in bytes. */
static double peak_memory(void) {
    return (double)child_fact(server.pid, "VmHWM") * 1024;
}

static void test_bombs_stay_small(void **state) {
    (void)state;
    double peak = peak_memory();
    print_message("%.0f MB at most\n", peak / 1e6);
    assert_true(SANITIZED || peak < 100e6);
}

static void test_picture_limits(void **state) {
    (void)state;
    struct buffer wide = {0}, large = {0}, fits = {0};
    make_png(&wide, 804, 4);
    check_bytes("image", wide.data, wide.size, 400,
                "invalid_image"); /* 201 times as wide as high */
    make_png(&large, 101, 100);
    check_bytes("image", large.data, large.size, 400, "invalid_image"); /* MAX_IMAGE_PIXELS=10000 */
    make_png(&fits, 100, 100);
    check_bytes("image", fits.data, fits.size, 200, NULL);
    buffer_free(&wide);
    buffer_free(&large);
    buffer_free(&fits);
}

/* A body cut at every byte, with a Content-Length that says so: never anything but 400. */
static void test_cut_at_every_byte(void **state) {
    (void)state;
    struct form f;
    form_edit(&f, "make it night", "seed", "1", NULL);
    size_t image_end =
        f.body.size - 330; /* within the picture's bytes one cut is like another: every 97th */
    int fd = raw_connect(&server);
    for (size_t size = 0; size<f.body.size - 2; size += size> 160 && size < image_end ? 97 : 1) {
        struct answer a;
        raw_post_head(fd, NULL, size);
        raw_send(fd, f.body.data, size);
        raw_read_answer(fd, &a);
        assert_error(&a, 400, "invalid_request");
        assert_false(a.closed);
        answer_free(&a);
    }
    close(fd);
    form_free(&f);
}

static void test_still_edits(void **state) {
    (void)state;
    struct answer a;
    http_edit(&server, "make it night", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_true(server_metric(&server, "firered_upload_bytes") == 0);
    assert_true(server_metric(&server, "firered_edits_running") == 0);
}

static int start(void **state) {
    (void)state;
    make_png(&png, 48, 32);
    server_start_ready(&server, (const char *[]){"MAX_IMAGE_PIXELS=10000", NULL});
    return 0;
}

static int stop(void **state) {
    (void)state;
    buffer_free(&png);
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_order_of_checks),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_huge_fields),
        cmocka_unit_test(test_bad_pictures),
        cmocka_unit_test(test_picture_limits),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_still_edits),
        cmocka_unit_test(test_bombs_stay_small),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
