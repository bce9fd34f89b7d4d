/*
 * text_support.h - what the tests of this folder share: a tokenizer or the test fails, ids compared
 * with a JSON list.
 */
#ifndef TESTS_TEXT_SUPPORT_H
#define TESTS_TEXT_SUPPORT_H

#include "support/unit_test.h"

#include <stdint.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"
#include "text/tokenizer.h"

#define QWEN     TEST_DATA "/qwen_vocab"
#define TINY     TEST_DATA "/tiny-edit/model/tokenizer"
#define TINY_HUB TEST_DATA "/tiny-edit-bf16-sharded/model/tokenizer"

static inline struct tokenizer *must_open(const char *folder) {
    struct error err;
    struct tokenizer *t;
    if (tokenizer_open(&t, folder, &err) != STATUS_OK) fail_msg("%s", err.text);
    return t;
}

static inline json_t *must_load(const char *path) {
    json_error_t at;
    json_t *v = json_load_file(path, JSON_ALLOW_NUL, &at);
    if (!v) fail_msg("%s: line %d: %s", path, at.line, at.text);
    return v;
}

static inline struct token_ids must_encode(const struct tokenizer *t, const char *text, size_t size,
                                           bool parse_special) {
    struct error err;
    struct token_ids ids = {0};
    if (tokenizer_encode(t, text, size, parse_special, &ids, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    return ids;
}

static inline void assert_ids(const struct token_ids *ids, const json_t *expected,
                              const char *what) {
    if (ids->count != json_array_size(expected))
        fail_msg("%s: %zu ids instead of %zu", what, ids->count, json_array_size(expected));
    for (size_t i = 0; i < ids->count; i++) {
        json_int_t id = json_integer_value(json_array_get(expected, i));
        if (ids->ids[i] != id)
            fail_msg("%s: id %zu is %d instead of %d", what, i, (int)ids->ids[i], (int)id);
    }
}

#endif
