/* The tokenizer against the reference's ids, and against files that are not what they should be. */
#include "support/unit_test.h"

#include <pthread.h>

#include "base/buffer.h"
#include "text/nfc.h"
#include "text_support.h"
#include "vocabulary.h"

static void check_cases(const struct tokenizer *t, const json_t *cases) {
    size_t i;
    json_t *c;
    json_array_foreach((json_t *)cases, i, c) {
        const json_t *text = json_object_get(c, "text");
        char what[64];
        snprintf(what, sizeof what, "case %zu", i);
        struct token_ids ids = must_encode(t, json_string_value(text), json_string_length(text),
                                           !json_is_false(json_object_get(c, "special")));
        assert_ids(&ids, json_object_get(c, "ids"), what);
        token_ids_free(&ids);
    }
}

static void check_file(const char *path) {
    struct tokenizer *t = must_open(QWEN);
    json_t *cases = must_load(path);
    assert_true(json_array_size(cases) > 300);
    check_cases(t, cases);
    json_decref(cases);
    tokenizer_close(t);
}

static void test_unit_reference(void **state) {
    (void)state;
    check_file(TEST_DATA "/unit/tokenizer.json");
}

static void test_hard_texts(void **state) {
    (void)state;
    check_file(TEXT_DATA "/hard.json");
}

/* tiny-edit's tokenizer.json with the added tokens of added.json in place of its own. */
static void test_flags_of_added_tokens(void **state) {
    (void)state;
    json_t *both = must_load(TEXT_DATA "/added.json");
    json_t *file = must_load(TINY "/tokenizer.json");
    json_object_set(file, "added_tokens", json_object_get(both, "added_tokens"));
    char *text = json_dumps(file, 0), *folder = temporary_folder();
    write_text(in_folder(folder, "tokenizer.json"), text);
    struct tokenizer *t = must_open(folder);
    remove_folder(folder);
    check_cases(t, json_object_get(both, "cases"));
    assert_int_equal(tokenizer_token_id(t, "<|im_end|>"), -1);
    tokenizer_close(t);
    free(text);
    json_decref(file);
    json_decref(both);
}

static void test_standard_tokens_follow_the_vocabulary(void **state) {
    (void)state;
    struct tokenizer *t = must_open(QWEN);
    assert_int_equal(tokenizer_token_id(t, "<|endoftext|>"), 151643);
    assert_int_equal(tokenizer_token_id(t, "<|image_pad|>"), 151655);
    assert_int_equal(tokenizer_token_id(t, "<|file_sep|>"), 151664);
    assert_int_equal(tokenizer_token_id(t, "!"), 0);
    assert_int_equal(tokenizer_token_id(t, "no such token"), -1);
    assert_int_equal(tokenizer_token_id(t, ""), -1);
    assert_int_equal(vocabulary_size(t), 151665);
    tokenizer_close(t);
}

static void assert_same_ids(const struct tokenizer *a, const struct tokenizer *b, const char *text,
                            size_t size) {
    for (int special = 0; special < 2; special++) {
        struct token_ids x = must_encode(a, text, size, special),
                         y = must_encode(b, text, size, special);
        assert_int_equal(x.count, y.count);
        if (x.count) assert_memory_equal(x.ids, y.ids, x.count * sizeof *x.ids);
        token_ids_free(&x);
        token_ids_free(&y);
    }
}

/* tokenizer.json; vocab.json, merges.txt, added_tokens.json, tokenizer_config.json; and
 * combinations of the latter. */
static void test_layouts_agree(void **state) {
    (void)state;
    static const char *const optional[] = {"tokenizer_config.json", "added_tokens.json"};
    struct tokenizer *whole = must_open(TINY);
    json_t *cases = must_load(TEXT_DATA "/hard.json"), *c;
    for (unsigned with = 0; with < 4; with++) {
        char *folder = temporary_folder();
        const char *names[4] = {"vocab.json", "merges.txt"};
        size_t count = 2, i;
        for (int k = 0; k < 2; k++)
            if (with >> k & 1) names[count++] = optional[k];
        for (i = 0; i < count; i++) {
            struct buffer file = read_bytes(in_folder(TINY_HUB, names[i]));
            write_bytes(in_folder(folder, names[i]), file.data, file.size);
            buffer_free(&file);
        }
        struct tokenizer *parts = must_open(folder);
        remove_folder(folder);
        assert_int_equal(vocabulary_size(parts), vocabulary_size(whole) + (with ? 0 : 8));
        json_array_foreach(cases, i, c) {
            const json_t *text = json_object_get(c, "text");
            bool extra = strstr(json_string_value(text), "tool_call") ||
                         strstr(json_string_value(text), "<|f") ||
                         strstr(json_string_value(text), "<|repo");
            if (with || !extra)
                assert_same_ids(whole, parts, json_string_value(text), json_string_length(text));
        }
        tokenizer_close(parts);
    }
    json_decref(cases);
    tokenizer_close(whole);
}

static void test_special_tokens_as_text(void **state) {
    (void)state;
    struct tokenizer *t = must_open(QWEN);
    const char text[] = "a<|im_end|><|image_pad|>";
    struct token_ids special = must_encode(t, text, strlen(text), true);
    assert_int_equal(special.count, 3);
    assert_int_equal(special.ids[1], 151645);
    assert_int_equal(special.ids[2], 151655);
    struct token_ids plain = must_encode(t, text, strlen(text), false);
    assert_true(plain.count > 6);
    for (size_t i = 0; i < plain.count; i++) assert_true(plain.ids[i] < 151643);
    token_ids_free(&special);
    token_ids_free(&plain);
    tokenizer_close(t);
}

static void test_bad_text(void **state) {
    (void)state;
    static const char *const bad[] = {"a\xff",        "\x80",          "\xc3",
                                      "\xed\xa0\x80", "\xc0\x80",      "\xf4\x90\x80\x80",
                                      "\xe2\x82",     "<|im_end|>\xc3"};
    struct tokenizer *t = must_open(TINY);
    struct error err;
    struct token_ids ids = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(tokenizer_encode(t, bad[i], strlen(bad[i]), true, &ids, &err),
                         STATUS_INVALID);
        assert_non_null(strstr(err.text, "UTF-8"));
    }
    char *large = calloc(TOKENIZER_MAX_TEXT + 1, 1);
    assert_non_null(large);
    assert_int_equal(tokenizer_encode(t, large, TOKENIZER_MAX_TEXT + 1, true, &ids, &err),
                     STATUS_INVALID);
    assert_int_equal(ids.count, 0);
    free(large);
    token_ids_free(&ids);
    tokenizer_close(t);
}

/* 100 kB of one thing must be a matter of milliseconds; a quadratic step anywhere would be felt
 * here. */
static void test_long_texts(void **state) {
    (void)state;
    static const char *const units[] = {
        "a",  " ",     "\n", " \n",        "\u0315\u0300", "\u0300\u0323", "\uac00",  "1",     "!",
        "'s", "<|im_", "<",  "<|im_end|>", "ab",           "aA ",          "e\u0301", "\u11a7"};
    enum { SIZE = 100000 };
    struct tokenizer *t = must_open(QWEN);
    char *text = malloc(SIZE);
    assert_non_null(text);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = strlen(units[u]), size = 0;
        for (; size + unit <= SIZE; size += unit) memcpy(text + size, units[u], unit);
        struct token_ids ids = must_encode(t, text, size, true);
        assert_true(ids.count > 0);
        token_ids_free(&ids);
    }
    free(text);
    tokenizer_close(t);
}

static void *encode_all(void *tokenizer) {
    json_t *cases = json_load_file(TEXT_DATA "/hard.json", JSON_ALLOW_NUL, NULL), *c;
    size_t i, wrong = 0;
    json_array_foreach(cases, i, c) {
        const json_t *text = json_object_get(c, "text"), *expected = json_object_get(c, "ids");
        struct token_ids ids = {0};
        if (tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text),
                             json_is_true(json_object_get(c, "special")), &ids,
                             NULL) != STATUS_OK ||
            ids.count != json_array_size(expected))
            wrong++;
        token_ids_free(&ids);
    }
    json_decref(cases);
    return wrong || i == 0 ? tokenizer : NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct tokenizer *t = must_open(QWEN);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(threads + i, NULL, encode_all, t), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    tokenizer_close(t);
}

static void check_nfc(const char *text, const char *expected) {
    struct buffer out = {0};
    assert_int_equal(nfc_append(&out, text, strlen(text), NULL), STATUS_OK);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

static void test_nfc(void **state) {
    (void)state;
    check_nfc("caf\u00e9", "caf\u00e9");
    check_nfc("e\u0301", "\u00e9");
    check_nfc("q\u0307\u0323", "q\u0323\u0307");
    check_nfc("\u1e9b\u0323", "\u1e9b\u0323");
    check_nfc("\u212b\u2126\u212a", "\u00c5\u03a9K");
    check_nfc("\u1100\u1161\u11a8", "\uac01");
    check_nfc("\uac00\u11a7\u11a8", "\uac00\u11a7\u11a8"); /* U+11A7 is no trailing consonant */
}

/* --- files --- */

struct files {
    const char *vocab, *merges, *config, *added, *whole;
};

/* A vocabulary of the 256 bytes, "ab" and "abc", with `more` behind it. */
static char *vocab_with(const char *more) {
    json_t *vocab = json_object();
    int others = 0x100;
    for (int byte = 0; byte < 256; byte++) {
        int c = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad) ? byte : others++;
        char text[3] = {(char)c};
        if (c >= 0x80) text[0] = (char)(0xc0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3f));
        json_object_set_new(vocab, text, json_integer(byte));
    }
    json_object_set_new(vocab, "ab", json_integer(256));
    json_object_set_new(vocab, "abc", json_integer(257));
    char *text = json_dumps(vocab, JSON_COMPACT);
    json_decref(vocab);
    size_t size = strlen(text) + strlen(more) + 1;
    text = realloc(text, size);
    assert_non_null(text);
    strcpy(text + strlen(text) - 1, more);
    return text;
}

static enum status open_files(struct tokenizer **t, const struct files *f, struct error *err) {
    char *folder = temporary_folder();
    char *vocab = vocab_with(f->vocab && f->vocab[0] != '{' ? f->vocab : "}");
    if (f->vocab)
        write_text(in_folder(folder, "vocab.json"), f->vocab[0] == '{' ? f->vocab : vocab);
    if (f->merges) write_text(in_folder(folder, "merges.txt"), f->merges);
    if (f->config) write_text(in_folder(folder, "tokenizer_config.json"), f->config);
    if (f->added) write_text(in_folder(folder, "added_tokens.json"), f->added);
    if (f->whole) write_text(in_folder(folder, "tokenizer.json"), f->whole);
    free(vocab);
    enum status s = tokenizer_open(t, folder, err);
    remove_folder(folder);
    return s;
}

static void refuse(struct files f, const char *file, const char *why) {
    struct error err = {{0}};
    struct tokenizer *t = NULL;
    assert_int_equal(open_files(&t, &f, &err), STATUS_INVALID);
    assert_null(t);
    if (!strstr(err.text, file) || !strstr(err.text, why))
        fail_msg("\"%s\" names neither \"%s\" nor \"%s\"", err.text, file, why);
}

#define MERGES "#version: 0.2\na b\nab c\n"

static void test_bad_vocabulary_files(void **state) {
    (void)state;
    refuse((struct files){0}, "neither", "tokenizer.json");
    refuse((struct files){.vocab = "}"}, "merges.txt", "missing");
    refuse((struct files){.merges = MERGES}, "vocab.json", "missing");
    refuse((struct files){.vocab = ",", .merges = MERGES}, "vocab.json", "not valid JSON");
    refuse((struct files){.vocab = ",\"ab\":300}", .merges = MERGES}, "vocab.json", "duplicate");
    refuse((struct files){.vocab = ",\"x y\":256}", .merges = MERGES}, "vocab.json",
           "two tokens have id 256");
    refuse((struct files){.vocab = ",\"x y\":-1}", .merges = MERGES}, "vocab.json", "id -1");
    refuse((struct files){.vocab = ",\"x y\":1048576}", .merges = MERGES}, "vocab.json",
           "id 1048576");
    refuse((struct files){.vocab = ",\"x y\":1.5}", .merges = MERGES}, "vocab.json",
           "not an integer");
    refuse((struct files){.vocab = ",\"\":300}", .merges = MERGES}, "vocab.json", "0 bytes");
    refuse((struct files){.vocab = "{}", .merges = ""}, "vocab.json", "no token for the byte");
    refuse((struct files){.vocab = "}", .merges = "a b\na b c\n"}, "merges.txt", "line 2");
    refuse((struct files){.vocab = "}", .merges = "ab\n"}, "merges.txt", "line 1");
    refuse((struct files){.vocab = "}", .merges = "a b\nb c\n"}, "merges.txt", "what it makes");
    refuse((struct files){.vocab = "}", .merges = "zz c\n"}, "merges.txt", "left part");
    refuse((struct files){.vocab = "}", .merges = "a zz\n"}, "merges.txt", "right part");
    refuse((struct files){.vocab = "}", .merges = "a b\na b\n"}, "merges.txt", "twice");
    refuse((struct files){.vocab = "}", .merges = " a\n"}, "merges.txt", "left part");
}

static void test_bad_added_tokens(void **state) {
    (void)state;
    struct files f = {.vocab = "}", .merges = MERGES};
    f.added = "{\"<x>\":256}";
    refuse(f, "added_tokens.json", "which is \"ab\"");
    f.added = "{\"ab\":300}";
    refuse(f, "added_tokens.json", "but 256 in the vocabulary");
    f.added = "{\"<x>\":300,\"<y>\":300}";
    refuse(f, "added_tokens.json", "both have id 300");
    f.added = "{\"<x>\":-5}";
    refuse(f, "added_tokens.json", "id -5");
    f.added = "{\"\":300}";
    refuse(f, "added_tokens.json", "0 bytes");
    f.added = "{\"<x>\":\"300\"}";
    refuse(f, "added_tokens.json", "not an integer");
    f.added = "[]";
    refuse(f, "added_tokens.json", "object");
    f.added = "{\"<x>\":300}";
    f.config = "{\"added_tokens_decoder\":{\"301\":{\"content\":\"<x>\"}}}";
    refuse(f, "added_tokens.json", "has the ids 301 and 300");
    f.config = "{\"added_tokens_decoder\":{\"a\":{\"content\":\"<x>\"}}}";
    refuse(f, "tokenizer_config.json", "not an id");
    f.config = "{\"added_tokens_decoder\":{\"300\":{\"content\":7}}}";
    refuse(f, "tokenizer_config.json", "no \"content\"");
    f.config = "{\"added_tokens_decoder\":{\"300\":{\"content\":\"<x>\",\"lstrip\":1}}}";
    refuse(f, "tokenizer_config.json", "lstrip");
    f.config = "{\"added_tokens_decoder\":{\"99999999999999999999\":{\"content\":\"<x>\"}}}";
    refuse(f, "tokenizer_config.json", "ids must be");
    f.config = "{\"added_tokens_decoder\":[]}";
    refuse(f, "tokenizer_config.json", "must be an object");
}

static void refuse_change(const char *path, const char *key, json_t *value, const char *why) {
    json_t *file = must_load(TINY "/tokenizer.json"), *at = file;
    char part[64];
    for (const char *next = path; *next; next += strcspn(next, "/") + (strchr(next, '/') != NULL)) {
        snprintf(part, sizeof part, "%.*s", (int)strcspn(next, "/"), next);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(part)) : json_object_get(at, part);
    }
    assert_int_equal(json_object_set_new(at, key, value), 0);
    char *text = json_dumps(file, 0);
    json_decref(file);
    refuse((struct files){.whole = text}, "tokenizer.json", why);
    free(text);
}

static void test_bad_tokenizer_json(void **state) {
    (void)state;
    refuse((struct files){.whole = "{}"}, "tokenizer.json", "not a BPE");
    refuse((struct files){.whole = "{\"model\": {}, "}, "tokenizer.json", "not valid JSON");
    refuse((struct files){.whole = ""}, "tokenizer.json", "not valid JSON");
    refuse_change("", "normalizer", json_pack("{s:s}", "type", "NFKC"), "NFC");
    refuse_change("", "normalizer", json_null(), "NFC");
    refuse_change("", "pre_tokenizer", json_null(), "pre_tokenizer");
    refuse_change("pre_tokenizer/pretokenizers/0/pattern", "Regex", json_string("\\p{N}{1,3}"),
                  "pattern");
    refuse_change("pre_tokenizer/pretokenizers/0", "behavior", json_string("Removed"), "pattern");
    refuse_change("pre_tokenizer/pretokenizers/1", "use_regex", json_true(), "use_regex");
    refuse_change("post_processor", "special_tokens", json_pack("{s:{}}", "<s>"), "post_processor");
    refuse_change("model", "type", json_string("Unigram"), "not a BPE");
    refuse_change("model", "byte_fallback", json_true(), "byte_fallback");
    refuse_change("model", "ignore_merges", json_true(), "ignore_merges");
    refuse_change("model", "dropout", json_real(0.1), "dropout");
    refuse_change("model", "vocab", json_array(), "vocab");
    refuse_change("model", "merges", json_object(), "merges");
    refuse_change("model", "merges", json_pack("[[s]]", "a"), "merge 1");
    refuse_change("model", "merges", json_pack("[i]", 1), "merge 1");
    refuse_change("model", "merges", json_pack("[s]", "a b c"), "merge 1");
    refuse_change("model", "merges", json_pack("[[s,s]]", "a", "no"), "right part");
    refuse_change("added_tokens/3", "id", json_integer(480), "both have id 480");
    refuse_change("added_tokens/3", "id", json_null(), "integer \"id\"");
    refuse_change("", "added_tokens", json_object(), "added_tokens");
}

static void test_merges_as_strings(void **state) {
    (void)state;
    json_t *file = must_load(TINY "/tokenizer.json"), *merges = json_array(), *merge;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(file, "model"), "merges"), i, merge)
        json_array_append_new(merges,
                              json_sprintf("%s %s", json_string_value(json_array_get(merge, 0)),
                                           json_string_value(json_array_get(merge, 1))));
    json_object_set_new(json_object_get(file, "model"), "merges", merges);
    char *text = json_dumps(file, 0);
    struct tokenizer *strings, *pairs = must_open(TINY);
    assert_int_equal(open_files(&strings, &(struct files){.whole = text}, NULL), STATUS_OK);
    const char sentence[] = "Describe the key features of the input image";
    assert_same_ids(strings, pairs, sentence, strlen(sentence));
    tokenizer_close(strings);
    tokenizer_close(pairs);
    free(text);
    json_decref(file);
}

static void test_line_ends_and_missing_folder(void **state) {
    (void)state;
    struct tokenizer *t;
    struct error err;
    assert_int_equal(
        open_files(&t, &(struct files){.vocab = "}", .merges = "a b\r\n\r\nab c"}, &err),
        STATUS_OK);
    struct token_ids ids = must_encode(t, "abc", 3, true);
    assert_int_equal(ids.count, 1);
    assert_int_equal(ids.ids[0], 257);
    token_ids_free(&ids);
    tokenizer_close(t);
    tokenizer_close(NULL);
    assert_int_equal(tokenizer_open(&t, TEST_DATA "/no such folder", &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "no such folder"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit_reference),
        cmocka_unit_test(test_hard_texts),
        cmocka_unit_test(test_flags_of_added_tokens),
        cmocka_unit_test(test_standard_tokens_follow_the_vocabulary),
        cmocka_unit_test(test_layouts_agree),
        cmocka_unit_test(test_special_tokens_as_text),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_nfc),
        cmocka_unit_test(test_bad_vocabulary_files),
        cmocka_unit_test(test_bad_added_tokens),
        cmocka_unit_test(test_bad_tokenizer_json),
        cmocka_unit_test(test_merges_as_strings),
        cmocka_unit_test(test_line_ends_and_missing_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
