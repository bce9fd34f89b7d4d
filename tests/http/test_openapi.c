/* The API's description: that it is whole, and that it says what the server does. */
#include "support/unit_test.h"

#include <jansson.h>

#include "http/harness.h"
#include "http/reply.h"

static struct server_process server;

static const char *const pages[] = {"/health", "/ready",        "/metrics",
                                    "/info",   "/openapi.json", "/docs"};
enum { PAGES = 6 };

/* Every "$ref" must lead somewhere, every operation must say what it answers. */
static void check_refs(const json_t *node, const json_t *root) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_array(node)) json_array_foreach(node, i, value) check_refs(value, root);
    if (!json_is_object(node)) return;
    json_object_foreach((json_t *)node, key, value) {
        if (strcmp(key, "$ref") != 0) {
            check_refs(value, root);
            continue;
        }
        char path[256];
        const json_t *at = root;
        assert_memory_equal(json_string_value(value), "#/", 2);
        snprintf(path, sizeof path, "%s", json_string_value(value) + 2);
        char *rest;
        for (char *name = strtok_r(path, "/", &rest); name; name = strtok_r(NULL, "/", &rest))
            at = json_object_get(at, name);
        if (!at) fail_msg("%s leads nowhere", json_string_value(value));
    }
}

static void test_description(void **state) {
    (void)state;
    struct answer a;
    http_get(&server, "/openapi.json", &a);
    json_t *root = json_loadb(a.body.data, a.body.size, JSON_REJECT_DUPLICATES, NULL), *value;
    const char *key;
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "openapi")), "3.1.0");
    json_t *info = json_object_get(root, "info");
    assert_non_null(json_string_value(json_object_get(info, "title")));
    assert_string_equal(json_string_value(json_object_get(info, "version")), FIRERED_VERSION);
    check_refs(root, root);

    json_t *paths = json_object_get(root, "paths");
    static const char *const others[][2] = {{"/", "get"},
                                            {"/edit", "post"},
                                            {"/v1/jobs", "post"},
                                            {"/v1/jobs/{id}", "get"},
                                            {"/v1/jobs/{id}", "delete"},
                                            {"/v1/jobs/{id}/events", "get"},
                                            {"/v1/jobs/{id}/result", "get"},
                                            {"/v1/images/edits", "post"},
                                            {"/v1/models", "get"},
                                            {"/v1/models/{model}", "get"}};
    assert_int_equal(json_object_size(paths), PAGES + 9);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_non_null(json_object_get(json_object_get(paths, others[i][0]), others[i][1]));
    for (int i = 0; i < PAGES; i++)
        assert_non_null(json_object_get(json_object_get(paths, pages[i]), "get"));
    json_object_foreach(paths, key, value) {
        const char *method;
        json_t *operation;
        json_object_foreach(value, method, operation) {
            assert_non_null(json_object_get(operation, "operationId"));
            assert_true(json_object_size(json_object_get(operation, "responses")) > 0);
        }
    }
    json_t *schemas = json_object_get(json_object_get(root, "components"), "schemas");
    json_t *codes = json_object_get(
        json_object_get(json_object_get(json_object_get(schemas, "Error"), "properties"), "error"),
        "enum");
    assert_int_equal(json_array_size(codes), HTTP_ERRORS);
    for (int e = 0; e < HTTP_ERRORS; e++)
        assert_string_equal(json_string_value(json_array_get(codes, (size_t)e)),
                            http_error_kind((enum http_error)e)->code);
    json_t *responses =
        json_object_get(json_object_get(json_object_get(paths, "/edit"), "post"), "responses");
    static const char *const statuses[] = {"200", "400", "401", "413", "503", "504"};
    for (int i = 0; i < 6; i++) assert_non_null(json_object_get(responses, statuses[i]));
    json_t *fields = json_object_get(json_object_get(schemas, "EditForm"), "properties");
    static const char *const names[] = {
        "image",         "prompt", "seed", "guidance_scale", "steps",   "negative_prompt",
        "width",         "height", "size", "output_format",  "image[]", "num_inference_steps",
        "true_cfg_scale"};
    assert_int_equal(json_object_size(fields), 13);
    for (int i = 0; i < 13; i++) assert_non_null(json_object_get(fields, names[i]));
    json_decref(root);
    answer_free(&a);
}

static json_t *at(const json_t *root, const char *const *keys) {
    json_t *found = (json_t *)root;
    for (; *keys; keys++) found = json_object_get(found, *keys);
    return found;
}

/* Whether something in it, but for what is referred to, has an example. */
static bool has_example(const json_t *value) {
    const char *key;
    json_t *inner;
    size_t i;
    if (json_object_get(value, "example")) return true;
    json_object_foreach((json_t *)value, key, inner) if (has_example(inner)) return true;
    json_array_foreach(value, i, inner) if (has_example(inner)) return true;
    return false;
}

/* Same keys, same types, however deep; a null may stand for anything. */
static void check_alike(const char *path, const json_t *example, const json_t *real) {
    const char *key;
    json_t *inner;
    json_object_foreach((json_t *)real, key, inner) {
        json_t *other = json_object_get(example, key);
        if (!other) fail_msg("the example of %s has no %s", path, key);
        bool numbers = json_is_number(other) && json_is_number(inner);
        if (json_is_null(other) || json_is_null(inner) || numbers) continue;
        bool booleans = json_is_boolean(other) && json_is_boolean(inner);
        if (!booleans && json_typeof(other) != json_typeof(inner))
            fail_msg("in the example of %s, %s is of another type", path, key);
        check_alike(path, other, inner);
    }
    json_object_foreach((json_t *)example, key, inner) if (!json_object_get(real, key))
        fail_msg("the example of %s has %s", path, key);
}

/* Every operation has one; those of pages are what the pages answer. */
static void test_examples(void **state) {
    (void)state;
    static const char *const answered[][2] = {{"/health", "/health"},
                                              {"/ready", "/ready"},
                                              {"/info", "/info"},
                                              {"/v1/models", "/v1/models"},
                                              {"/v1/models/{model}", "/v1/models/firered"}};
    struct answer a;
    http_get(&server, "/openapi.json", &a);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL), *item, *operation;
    const char *path, *method;
    answer_free(&a);
    json_object_foreach(json_object_get(root, "paths"), path, item)
        json_object_foreach(item, method, operation) {
        bool probe = strcmp(path, "/health") == 0 || strcmp(path, "/ready") == 0;
        json_t *responses = json_object_get(operation, "responses");
        if (!has_example(operation)) fail_msg("%s %s has no example", method, path);
        assert_int_equal(json_object_get(responses, "403") != NULL, !probe);
        assert_int_equal(json_object_get(responses, "415") != NULL, strcmp(method, "post") == 0);
        assert_true(json_object_get(responses, "431") && json_object_get(responses, "505"));
    }
    for (size_t i = 0; i < sizeof answered / sizeof *answered; i++) {
        const char *const keys[] = {"paths",   answered[i][0],     "get",     "responses", "200",
                                    "content", "application/json", "example", NULL};
        http_get(&server, answered[i][1], &a);
        json_t *real = json_loadb(a.body.data, a.body.size, 0, NULL);
        check_alike(answered[i][0], at(root, keys), real);
        json_decref(real);
        answer_free(&a);
    }
    json_decref(root);
}

static int enter(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    return 0;
}

static int leave(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_description),
                                       cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, enter, leave);
}
