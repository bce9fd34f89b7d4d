/*
 * Published repositories hold vocab.json twice, in tokenizer/ and in processor/, and in two sizes: one
 * writes characters as they are, the other as \u escapes and in another order.  Either gives the same
 * tokens.
 */
#include "support/unit_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "text_support.h"

static void either_gives_the_same_tokens(void **state) {
    (void)state;
    static const char *const texts[] = {"make it night",
                                        "把背景换成雪山，保留人物。",
                                        "Ünïcödé, ĠĊ and \xf0\x9f\x98\x80 emoji",
                                        "  blanks\t\n\n and 12345 numbers",
                                        "<|im_start|>user\nA picture<|im_end|>",
                                        "日本語のテキスト"};
    char *folder = temporary_folder();
    struct stat plain, escaped;
    json_t *vocab = must_load(QWEN "/vocab.json");
    assert_int_equal(json_dump_file(vocab, in_folder(folder, "vocab.json"),
                                    JSON_ENSURE_ASCII | JSON_SORT_KEYS | JSON_INDENT(2)),
                     0);
    assert_int_equal(stat(QWEN "/vocab.json", &plain), 0);
    assert_int_equal(stat(in_folder(folder, "vocab.json"), &escaped), 0);
    assert_int_not_equal(plain.st_size, escaped.st_size);
    assert_int_equal(symlink(QWEN "/merges.txt", in_folder(folder, "merges.txt")), 0);
    json_decref(vocab);

    struct tokenizer *one = must_open(QWEN), *two = must_open(folder);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct token_ids a = must_encode(one, texts[i], strlen(texts[i]), true);
        struct token_ids b = must_encode(two, texts[i], strlen(texts[i]), true);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.ids, b.ids, a.count * sizeof *a.ids);
        token_ids_free(&a);
        token_ids_free(&b);
    }
    tokenizer_close(one);
    tokenizer_close(two);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(either_gives_the_same_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
