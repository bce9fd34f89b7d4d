/*
 * The table of fields: what each value may be, and that whatever tells of the fields says what the
 * table says.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/documents.h"
#include "config/fields.h"

#define TABLE "src/config/fields.c", "test_fields"

enum { MAX_STEPS = 100 };

static bool read_text(struct field_values *v, enum field_place place, const char *name,
                      const char *text) {
    const struct field *f = field_find(place, name);
    if (!f) fail_msg("no field %s", name);
    return field_read(v, f, text, strlen(text), MAX_STEPS);
}

static void test_good_values(void **state) {
    (void)state;
    struct field_values v = field_values_default();
    assert_true(v.guidance_scale < 0 && v.compression < 0 && v.count == 1 && !v.seed.given);
    assert_true(read_text(&v, FIELD_OF_EDIT, "prompt", "gr\xc3\xbc\xc3\x9f"));
    assert_string_equal(v.prompt, "gr\xc3\xbc\xc3\x9f");
    assert_true(read_text(&v, FIELD_OF_EDIT, "seed", "18446744073709551615"));
    assert_true(v.seed.given && v.seed.value == UINT64_MAX);
    assert_true(read_text(&v, FIELD_OF_EDIT, "seed", "-1") && !v.seed.given);
    assert_true(read_text(&v, FIELD_OF_EDIT, "guidance_scale", "7.") && v.guidance_scale == 7);
    assert_true(read_text(&v, FIELD_OF_COMMAND, "steps", "100") && v.steps == 100);
    assert_true(read_text(&v, FIELD_OF_EDIT, "width", "2048") && v.width == 2048);
    assert_true(read_text(&v, FIELD_OF_EDIT, "height", "64") && v.height == 64);
    assert_true(read_text(&v, FIELD_OF_EDIT, "size", "input") && v.size.input);
    assert_true(read_text(&v, FIELD_OF_EDIT, "size", "64x128"));
    assert_true(!v.size.input && v.size.width == 64 && v.size.height == 128);
    assert_true(read_text(&v, FIELD_OF_EDIT, "size", "model") && v.size.width == 0);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "size", "auto") && !v.size.input);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "output_format", "webp"));
    assert_int_equal(v.format, PICTURE_WEBP);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "output_compression", "0") && v.compression == 0);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "n", "4") && v.count == 4);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "stream", "true") && v.stream);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "stream", "false") && !v.stream);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "model", "any") && strcmp(v.model, "any") == 0);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "user", "any"));
    assert_true(read_text(&v, FIELD_OF_OPENAI, "quality", "standard"));
    assert_true(read_text(&v, FIELD_OF_OPENAI, "quality", "high"));
    assert_true(read_text(&v, FIELD_OF_EDIT, "num_inference_steps", "9") && v.steps == 9);
    assert_true(read_text(&v, FIELD_OF_OPENAI, "true_cfg_scale", "2.5") && v.guidance_scale == 2.5);
    assert_true(read_text(&v, FIELD_OF_EDIT, "prompt", "\xef\xbb\xbfnight"));
    assert_string_equal(v.prompt, "night");
    assert_true(read_text(&v, FIELD_OF_OPENAI, "partial_images", "0"));
}

static void test_bad_values(void **state) {
    (void)state;
    static const struct {
        enum field_place place;
        const char *name, *value, *allowed;
    } bad[] = {
        {FIELD_OF_EDIT, "prompt", "\xff", "UTF-8 without NUL characters"},
        {FIELD_OF_EDIT, "seed", "-2", "a whole number from 0 to 18446744073709551615, or -1"},
        {FIELD_OF_EDIT, "seed", "18446744073709551616",
         "a whole number from 0 to 18446744073709551615, or -1"},
        {FIELD_OF_EDIT, "guidance_scale", "30.01", "a number from 0 to 30"},
        {FIELD_OF_EDIT, "guidance_scale", "-0.1", "a number from 0 to 30"},
        {FIELD_OF_EDIT, "guidance_scale", "nan", "a number from 0 to 30"},
        {FIELD_OF_EDIT, "steps", "0", "a whole number from 1 to 100"},
        {FIELD_OF_EDIT, "steps", "101", "a whole number from 1 to 100"},
        {FIELD_OF_EDIT, "steps", "1.0", "a whole number from 1 to 100"},
        {FIELD_OF_EDIT, "width", "63", "a whole number from 64 to 2048"},
        {FIELD_OF_EDIT, "height", "2049", "a whole number from 64 to 2048"},
        {FIELD_OF_EDIT, "size", "auto", "input, model, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {FIELD_OF_OPENAI, "size", "model",
         "input, auto, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {FIELD_OF_EDIT, "size", "63x64",
         "input, model, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {FIELD_OF_EDIT, "output_format", "PNG", "png, jpeg or webp"},
        {FIELD_OF_EDIT, "output_format", "gif", "png, jpeg or webp"},
        {FIELD_OF_OPENAI, "output_compression", "101", "a whole number from 0 to 100"},
        {FIELD_OF_OPENAI, "output_compression", "-0", "a whole number from 0 to 100"},
        {FIELD_OF_OPENAI, "n", "5", "a whole number from 1 to 4"},
        {FIELD_OF_OPENAI, "stream", "True", "true or false"},
        {FIELD_OF_OPENAI, "quality", "best", "auto, low, medium, high, hd or standard"},
        {FIELD_OF_EDIT, "num_inference_steps", "0", "a whole number from 1 to 100"},
        {FIELD_OF_OPENAI, "partial_images", "1", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char allowed[FIELD_ALLOWED_SIZE];
        struct field_values v = field_values_default(), before = v;
        const struct field *f = field_find(bad[i].place, bad[i].name);
        if (read_text(&v, bad[i].place, bad[i].name, bad[i].value))
            fail_msg("%s took '%s'", bad[i].name, bad[i].value);
        assert_memory_equal(&v, &before, sizeof v);
        field_allowed(f, MAX_STEPS, allowed);
        assert_string_equal(allowed, bad[i].allowed);
        if (f->kind == FIELD_FIXED) assert_non_null(f->refusal);
    }
}

/* A NUL in a value is no end of it. */
static void test_nul(void **state) {
    (void)state;
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        struct field_values v = field_values_default();
        if (f->kind == FIELD_PICTURES || (f->kind == FIELD_IGNORED && !f->choices)) continue;
        const char *good = f->choices ? f->choices[0].name : f->kind == FIELD_SIZE ? "input" : "64";
        char text[32] = "";
        memcpy(text, good, strlen(good));
        if (field_read(&v, f, text, strlen(good) + 1, MAX_STEPS)) fail_msg("%s took it", f->name);
    }
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        for (unsigned place = 1; place <= FIELD_OF_COMMAND; place *= 2) {
            const struct field *found = field_find(place, f->name);
            if (f->places & place) assert_ptr_equal(found, f); /* a name is one row in one place */
            if (found) assert_true(found->places & place);
        }
        assert_true(strlen(f->meaning) > 0 && f->meaning[strlen(f->meaning) - 1] != '.');
        int ticks = 0;
        for (const char *p = f->meaning; *p; p++) {
            ticks += *p == '`';
            assert_null(strchr("<>&|", *p)); /* which the documents would have to escape */
        }
        assert_int_equal(ticks % 2, 0);
        if (f->kind == FIELD_FIXED) assert_true(f->refusal && f->choices);
        if (f->kind == FIELD_CHOICE || f->kind == FIELD_SIZE) assert_non_null(f->otherwise);
    }
    assert_null(field_find(FIELD_OF_EDIT, "n"));
    static const char *const entries[] = {"image[]", "image[0]", "image[12]"};
    for (size_t i = 0; i < 3; i++)
        for (unsigned place = FIELD_OF_EDIT; place <= FIELD_OF_OPENAI; place *= 2)
            assert_ptr_equal(field_find(place, entries[i]), field_find(place, "image"));
    static const char *const others[] = {"image[", "image[x]", "image[0]x", "images[]", "prompt[]"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(field_find(FIELD_OF_EDIT, others[i]));
    assert_ptr_equal(field_find(FIELD_OF_EDIT, "num_inference_steps"),
                     field_find(FIELD_OF_EDIT, "steps"));
    assert_null(field_find(FIELD_OF_COMMAND, "num_inference_steps"));
    char flag[FIELD_FLAG_SIZE];
    field_flag(field_find(FIELD_OF_COMMAND, "guidance_scale"), flag);
    assert_string_equal(flag, "guidance-scale");
}

static void test_same(void **state) {
    (void)state;
    struct field_values a = field_values_default(), b = a;
    const struct field *steps = field_find(FIELD_OF_EDIT, "steps"),
                       *scale = field_find(FIELD_OF_EDIT, "true_cfg_scale");
    a.steps = b.steps = 3;
    a.guidance_scale = b.guidance_scale = 2.5;
    assert_true(field_same(steps, &a, &b) && field_same(scale, &a, &b));
    b.steps = 4;
    assert_true(!field_same(steps, &a, &b) && field_same(scale, &a, &b));
    b.guidance_scale = 2.25;
    assert_false(field_same(scale, &a, &b));
}

static const char *or_none(const char *name) {
    return name ? name : "none";
}

/* What somebody mistyped or spells in his language's way, and what only looks a little like it. */
static void test_near_names(void **state) {
    (void)state;
    static const char *const near[][2] = {{"stpes", "steps"},
                                          {"step", "steps"},
                                          {"Steps", "steps"},
                                          {"guidence_scale", "guidance_scale"},
                                          {"guidanceScale", "guidance_scale"},
                                          {"guidance-scale", "guidance_scale"},
                                          {"promt", "prompt"},
                                          {"prompt[]", "prompt"},
                                          {"negativ_prompt", "negative_prompt"},
                                          {"imge", "image"},
                                          {"images", "image"},
                                          {"image2", "image"},
                                          {"Seed", "seed"},
                                          {"sed", "seed"},
                                          {"esed", "seed"},
                                          {"numInferenceSteps", "num_inference_steps"},
                                          {"num_inference_step", "num_inference_steps"},
                                          {"true_cfg", "none"},
                                          {"outputformat", "output_format"},
                                          {"hieght", "height"}};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        assert_string_equal(or_none(field_near(FIELD_OF_EDIT, near[i][0])), near[i][1]);
    static const char *const far[] = {"user",     "csrf_token", "mask",     "strength", "n",
                                      "send",     "need",       "site",     "model",    "submit",
                                      "file",     "style",      "scale",    "stop",     "",
                                      "\xc3\xbc", "token",      "cfg_scale"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        if (field_near(FIELD_OF_EDIT, far[i])) fail_msg("%s is near something", far[i]);
    assert_string_equal(or_none(field_near(FIELD_OF_OPENAI, "qualiti")), "quality");
    assert_null(field_near(FIELD_OF_EDIT, "qualiti"));
}

/* ---- documents ---- */

static void test_readme(void **state) {
    (void)state;
    document_check_between(&(struct document){SOURCE_ROOT "/README.md", TABLE},
                           "<!-- fields: begin -->\n", "<!-- fields: end -->", fields_write_readme);
}

static void test_api(void **state) {
    (void)state;
    document_check_between(&(struct document){SOURCE_ROOT "/docs/api.md", TABLE},
                           "<!-- fields: begin -->\n", "<!-- fields: end -->", fields_write_api);
}

static enum status write_edit(struct buffer *out) {
    return fields_write_html(out, FIELD_OF_EDIT);
}

static enum status write_openai(struct buffer *out) {
    return fields_write_html(out, FIELD_OF_OPENAI);
}

static void test_docs(void **state) {
    (void)state;
    const struct document d = {SOURCE_ROOT "/src/http/docs.html", TABLE};
    document_check_between(&d, "<!-- fields: begin -->\n", "<!-- fields: end -->", write_edit);
    document_check_between(&d, "<!-- fields of OpenAI: begin -->\n",
                           "<!-- fields of OpenAI: end -->", write_openai);
}

static const char *required_name(const json_t *schema, size_t i) {
    return json_string_value(json_array_get(json_object_get(schema, "required"), i));
}

/* What has a second name is required under either, and there is one such. */
static void check_required(const json_t *schema) {
    const json_t *either = json_object_get(schema, "anyOf");
    size_t names = 0;
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        if (f->required && f->alias) {
            assert_int_equal(json_array_size(either), 2);
            assert_string_equal(required_name(json_array_get(either, 0), 0), f->name);
            assert_string_equal(required_name(json_array_get(either, 1), 0), f->alias);
        } else if (f->required) {
            assert_string_equal(required_name(schema, names++), f->name);
        }
    }
    assert_int_equal(json_array_size(json_object_get(schema, "required")), names);
}

static void test_openapi(void **state) {
    (void)state;
    const struct document d = {SOURCE_ROOT "/src/http/openapi.json", TABLE};
    struct buffer old = {0};
    document_read(&d, &old);
    json_t *root = json_loads(old.data, JSON_REJECT_DUPLICATES, NULL);
    json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");
    json_object_set_new(json_object_get(schemas, "EditForm"), "properties",
                        fields_schema(FIELD_OF_EDIT));
    json_object_set_new(json_object_get(schemas, "OpenAIEditForm"), "properties",
                        fields_schema(FIELD_OF_OPENAI));
    char *text = json_dumps(root, JSON_INDENT(1));
    struct buffer new = {0};
    assert_int_equal(buffer_printf(&new, "%s\n", text), STATUS_OK);
    document_check(&d, old.data, new.data);
    check_required(json_object_get(schemas, "EditForm"));
    check_required(json_object_get(schemas, "OpenAIEditForm"));
    free(text);
    json_decref(root);
    buffer_free(&old);
    buffer_free(&new);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_values), cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_nul),         cmocka_unit_test(test_rows),
        cmocka_unit_test(test_same),        cmocka_unit_test(test_near_names),
        cmocka_unit_test(test_readme),      cmocka_unit_test(test_api),
        cmocka_unit_test(test_docs),        cmocka_unit_test(test_openapi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
