/*
 * The words of the split pattern, with PCRE2's JIT compiler and, as on a system that refuses it,
 * without.  Expectations are the reference's (Split by the pattern in the package tokenizers).
 */
#include "support/unit_test.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "text/pretokenize.h"
#include "text_support.h"

#define NEL "\xc2\x85" /* U+0085, which C has no name for */

static bool refuse_jit;

int __real_pcre2_jit_compile_8(pcre2_code *code, uint32_t options);
int __wrap_pcre2_jit_compile_8(pcre2_code *code, uint32_t options);

int __wrap_pcre2_jit_compile_8(pcre2_code *code, uint32_t options) {
    return refuse_jit ? PCRE2_ERROR_NOMEMORY : __real_pcre2_jit_compile_8(code, options);
}

static struct pretokenizer *must_create(bool jit) {
    struct pretokenizer *p;
    struct error err;
    refuse_jit = !jit;
    if (pretokenizer_create(&p, &err) != STATUS_OK) fail_msg("%s", err.text);
    return p;
}

/* `words` is the text with a "|" after each word. */
static void check(const struct pretokenizer *p, const char *words) {
    char text[200], split[400];
    size_t size = 0, length = 0, word;
    for (const char *c = words; *c; c++)
        if (*c != '|') text[size++] = *c;
    struct pretokenizer_scratch scratch = {0};
    for (size_t at = 0; at < size; at += word) {
        assert_int_equal(pretokenizer_next(p, &scratch, text + at, size - at, &word, NULL),
                         STATUS_OK);
        length += (size_t)sprintf(split + length, "%.*s|", (int)word, text + at);
    }
    pretokenizer_scratch_free(&scratch);
    assert_string_equal(split, words);
}

static void check_words(bool jit) {
    static const char *const texts[] = {
        "a| red| hat|",
        "1|2| |3|",
        "it|'s|'RE|'Ll|'x|",
        "x|'\u017f|y|",
        "   | a|",
        " \n| x|",
        "a| !?\r\n\n|b|",
        "!|\t|\ta|",
        "\u00e9t\u00e9| \u4f60\u597d|,|\u00b2|\u2168|",
        "\u3000|\u3000a|",
        /* what libraries disagree about: white space... */
        "a|" NEL "b|" NEL "|" NEL "c|",
        "!| |" NEL "|!|",
        "!|\u2028|\u2029|!|",
        /* ...and what is none */
        "!\u180e!|",
        "!\u200b!|",
        "!\x1c\x1d\x1e\x1f!|",
        "!\ufeff!|",
    };
    struct pretokenizer *p = must_create(jit);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) check(p, texts[i]);
    pretokenizer_destroy(p);
}

static void test_words(void **state) {
    (void)state;
    check_words(true);
}

static void test_words_without_jit(void **state) {
    (void)state;
    check_words(false);
}

/* A megabyte of one thing must be a matter of milliseconds: nothing overflows, no limit is met, and
 * a quadratic step would be felt here. */
static void check_long(bool jit) {
    static const char *const units[] = {"a", " ",  "\n", " \n",     "\u3000",     "1",
                                        "!", "'s", " !", "!\n",     "  a",        "\u0301",
                                        "'", "\0", "a ", "\u4f60 ", "\U0001f600", ("\u2028" NEL)};
    enum { SIZE = 1 << 20 };
    struct pretokenizer *p = must_create(jit);
    struct pretokenizer_scratch scratch = {0};
    char *text = malloc(SIZE);
    assert_non_null(text);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = *units[u] ? strlen(units[u]) : 1, size = 0, word;
        for (; size + unit <= SIZE; size += unit) memcpy(text + size, units[u], unit);
        for (size_t at = 0; at < size; at += word) {
            assert_int_equal(pretokenizer_next(p, &scratch, text + at, size - at, &word, NULL),
                             STATUS_OK);
            assert_in_range(word, 1, size - at);
        }
    }
    free(text);
    pretokenizer_scratch_free(&scratch);
    pretokenizer_destroy(p);
}

static void test_long_texts(void **state) {
    (void)state;
    check_long(true);
}

static void test_long_texts_without_jit(void **state) {
    (void)state;
    check_long(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_without_jit),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_long_texts_without_jit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
