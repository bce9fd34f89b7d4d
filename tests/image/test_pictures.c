/* Pictures as phones, browsers and tools write them: each as tests/data/pictures/pictures.json says
 * that it is right.  The file's own pixels come from other programs, never from this one. */
#include "support/unit_test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "image/decode.h"

static const char *const folder = TEST_DATA "/pictures";

static struct buffer load(const char *name) {
    char path[512];
    struct buffer file = {0};
    struct error err = {""};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (buffer_read_file(&file, path, 1 << 24, &err) != STATUS_OK) fail_msg("%s", err.text);
    return file;
}

/* The largest difference of a byte, and by how much they differ on average; false: other sides. */
static bool compare(const struct picture *p, const char *right, int *off, double *mean) {
    char name[128];
    snprintf(name, sizeof name, "right/%s", right);
    struct buffer file = load(name);
    struct picture want;
    assert_int_equal(picture_decode(&want, file.data, file.size, 1 << 24, NULL), STATUS_OK);
    bool same_sides = want.width == p->width && want.height == p->height;
    size_t count = same_sides ? (size_t)p->width * (size_t)p->height * 3 : 0;
    long sum = 0;
    *off = 0;
    for (size_t i = 0; i < count; i++) {
        int d = abs(p->rgb[i] - want.rgb[i]);
        if (d > *off) *off = d;
        sum += d;
    }
    *mean = count ? (double)sum / (double)count : 0;
    picture_free(&want);
    buffer_free(&file);
    return same_sides;
}

/* Each of the words is several, any of which will do. */
static bool says(const char *text, const char *alternatives) {
    char copy[256], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", alternatives);
    for (char *w = strtok_r(copy, "|", &rest); w; w = strtok_r(NULL, "|", &rest))
        if (strcasestr(text, w)) return true;
    return false;
}

static void check_refusal(json_t *c, const char *name, enum status s, const char *text) {
    const char *code = json_string_value(json_object_get(c, "refused"));
    const char *got = s == STATUS_INVALID       ? "invalid_image"
                      : s == STATUS_UNSUPPORTED ? "invalid_file"
                                                : "something else";
    size_t i;
    json_t *word;
    if (!strstr(code, got)) fail_msg("%s: wanted %s, got %d: %s", name, code, (int)s, text);
    json_array_foreach(json_object_get(c, "words"), i, word) {
        if (!says(text, json_string_value(word)))
            fail_msg("%s: does not say %s: %s", name, json_string_value(word), text);
    }
}

static void check_picture(json_t *c, const char *name, const struct picture *p,
                          const struct decode_report *report) {
    int width, height;
    picture_upright_sides(&report->header, &width, &height);
    if (width != p->width || height != p->height || report->header.decode_bytes < 3)
        fail_msg("%s: the header promised %dx%d", name, width, height);
    int off = 0, limit = (int)json_integer_value(json_object_get(c, "off"));
    double mean = 0, mean_limit = json_object_get(c, "mean")
                                      ? json_number_value(json_object_get(c, "mean"))
                                      : 255;
    size_t i;
    json_t *right;
    bool good = false;
    json_array_foreach(json_object_get(c, "right"), i, right) {
        if (!compare(p, json_string_value(right), &off, &mean)) continue;
        if (off <= limit && mean <= mean_limit) good = true;
    }
    if (!good) fail_msg("%s: off by %d, %.2f on average", name, off, mean);
    if (json_is_true(json_object_get(c, "note")) && report->note_count == 0)
        fail_msg("%s: no note", name);
}

static void each_as_it_should_look(void **state) {
    (void)state;
    json_t *cases = json_load_file(TEST_DATA "/pictures/pictures.json", 0, NULL);
    assert_true(json_array_size(cases) > 50);
    size_t i;
    json_t *c;
    json_array_foreach(cases, i, c) {
        const char *name = json_string_value(json_object_get(c, "file"));
        struct buffer file = load(name);
        struct decode_options options = {.max_pixels = 64000000,
                                         .ignore_profiles = json_object_get(c, "env") != NULL};
        struct decode_report report;
        struct picture p;
        struct error err = {""};
        enum status s = picture_decode_with(&p, &report, file.data, file.size, &options, &err);
        const char *or_refused = json_string_value(json_object_get(c, "or_refused"));
        if (strstr(err.text, "is not in this build"))
            print_message("skipped: %s: %s\n", name, err.text);
        else if (json_object_get(c, "refused"))
            check_refusal(c, name, s, err.text);
        else if (s == STATUS_OK)
            check_picture(c, name, &p, &report);
        else if (!or_refused || !says(err.text, or_refused))
            fail_msg("%s: %s", name, err.text);
        picture_free(&p);
        buffer_free(&file);
    }
    json_decref(cases);
}

static bool stops(void *arg) {
    return --*(int *)arg < 0;
}

/* Whatever the format, somebody is asked while pixels are read, and obeyed. */
static void decoding_can_be_stopped(void **state) {
    (void)state;
    static const char *const names[] = {"alpha.png",     "icc-p3.jpg",  "icc-p3.webp", "still.gif",
                                        "8bit.bmp",      "rle8.bmp",    "none.tif",    "cmyk.tif",
                                        "lossless.heic", "lossless.jxl"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer file = load(names[i]);
        for (int after = 0; after < 20; after += 19) {
            int left = after;
            struct decode_options options = {
                .max_pixels = 64000000, .cancelled = stops, .arg = &left};
            struct picture p;
            struct error err;
            assert_int_equal(picture_decode_with(&p, NULL, file.data, file.size, &options, &err),
                             STATUS_CANCELLED);
            assert_null(p.rgb);
            assert_int_equal(left, -1);
        }
        buffer_free(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_as_it_should_look),
        cmocka_unit_test(decoding_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
