/*
 * Every allocation of ours fails once: opening and encoding must say STATUS_NO_MEMORY, leak
 * nothing, and work again afterwards.  What PCRE2 allocates when we ask it to counts as ours: the
 * linker sends these calls here (--wrap).
 */
#include "support/unit_test.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "support/failing_malloc.h"
#include "text/prompt.h"
#include "text_support.h"

pcre2_code *__real_pcre2_compile_8(PCRE2_SPTR pattern, PCRE2_SIZE size, uint32_t options, int *why,
                                   PCRE2_SIZE *at, pcre2_compile_context *context);
pcre2_code *__wrap_pcre2_compile_8(PCRE2_SPTR pattern, PCRE2_SIZE size, uint32_t options, int *why,
                                   PCRE2_SIZE *at, pcre2_compile_context *context);
pcre2_match_context *__real_pcre2_match_context_create_8(pcre2_general_context *context);
pcre2_match_context *__wrap_pcre2_match_context_create_8(pcre2_general_context *context);
pcre2_match_data *__real_pcre2_match_data_create_8(uint32_t pairs, pcre2_general_context *context);
pcre2_match_data *__wrap_pcre2_match_data_create_8(uint32_t pairs, pcre2_general_context *context);

pcre2_code *__wrap_pcre2_compile_8(PCRE2_SPTR pattern, PCRE2_SIZE size, uint32_t options, int *why,
                                   PCRE2_SIZE *at, pcre2_compile_context *context) {
    *why = PCRE2_ERROR_HEAP_FAILED;
    return malloc_fails_next() ? NULL
                               : __real_pcre2_compile_8(pattern, size, options, why, at, context);
}

pcre2_match_context *__wrap_pcre2_match_context_create_8(pcre2_general_context *context) {
    return malloc_fails_next() ? NULL : __real_pcre2_match_context_create_8(context);
}

pcre2_match_data *__wrap_pcre2_match_data_create_8(uint32_t pairs, pcre2_general_context *context) {
    return malloc_fails_next() ? NULL : __real_pcre2_match_data_create_8(pairs, context);
}

static const char text[] = "a<|im_end|> caf\u00e9 e\u0301 \u628a\u80cc\u666f "
                           "q\u0315\u0300\u0315\u0300\u0315\u0300\u0315\u0300\u0315\u0300"
                           "\u0315\u0300\u0315\u0300\u0315\u0300\u0315\u0300 0123456789 0123456789 "
                           "0123456789 0123456789 0123456789"
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                           "aaaaaaaaaaaaaaaaaaaaaaa";

/* Runs `work` with the first, second, ... allocation failing until none does; returns how many
 * failed. */
static long fail_each(enum status (*work)(const struct tokenizer *), const struct tokenizer *t) {
    for (long n = 1;; n++) {
        malloc_fail_at(n);
        enum status s = work(t);
        malloc_fail_no_more();
        if (!malloc_has_failed()) {
            assert_int_equal(s, STATUS_OK);
            return n - 1;
        }
        assert_int_equal(s, STATUS_NO_MEMORY);
    }
}

static enum status encode(const struct tokenizer *t) {
    struct token_ids ids = {0};
    struct error err = {{0}};
    enum status s = tokenizer_encode(t, text, sizeof text - 1, true, &ids, &err);
    if (s != STATUS_OK) assert_true(err.text[0] != '\0');
    token_ids_free(&ids);
    return s;
}

static enum status write_prompt(const struct tokenizer *t) {
    struct prompt_ids out;
    struct error err = {{0}};
    enum status s = prompt_encode(t, text, (int[]){4, 9}, 2, &out, &err);
    if (s != STATUS_OK) assert_true(err.text[0] != '\0' && !out.ids.ids);
    prompt_ids_free(&out);
    return s;
}

static enum status open_folder(const struct tokenizer *unused) {
    (void)unused;
    struct tokenizer *t;
    struct error err = {{0}};
    enum status s = tokenizer_open(&t, TINY_HUB, &err);
    if (s != STATUS_OK) assert_true(err.text[0] != '\0' && !t);
    tokenizer_close(t);
    return s;
}

static void test_encode(void **state) {
    (void)state;
    struct tokenizer *t = must_open(TINY);
    assert_true(fail_each(encode, t) >= 5);
    assert_true(fail_each(write_prompt, t) >= 8);
    tokenizer_close(t);
}

static void test_open(void **state) {
    (void)state;
    assert_true(fail_each(open_folder, NULL) >= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
