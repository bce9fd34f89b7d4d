/*
 * The .env reader, line by line: what each kind of line means, and which lines are refused and how.
 */
#include "support/unit_test.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/env_file.h"
#include "support/files.h"

static struct env_file parse(const char *text) {
    struct env_file file;
    struct error err = {""};
    if (env_file_parse(&file, text, strlen(text), ".env", &err) != STATUS_OK)
        fail_msg("%s: refused: %s", text, err.text);
    return file;
}

static void check_value(const char *text, const char *key, const char *expected) {
    struct env_file file = parse(text);
    const struct env_entry *e = env_file_find(&file, key);
    if (!expected) {
        assert_null(e);
    } else {
        if (!e) fail_msg("%s: no %s", text, key);
        assert_string_equal(e->value, expected);
    }
    env_file_free(&file);
}

static void test_values(void **state) {
    (void)state;
    check_value("PORT=8000", "PORT", "8000");
    check_value("PORT=8000\n", "PORT", "8000");
    check_value("\n\n  PORT = 8000  \n", "PORT", "8000");
    check_value("export PORT=8000", "PORT", "8000");
    check_value("export\tPORT=8000", "PORT", "8000");
    check_value("export=1", "export", "1");
    check_value("PORT=8000\r\nHOST=a\r\n", "PORT", "8000");
    check_value("PORT=8000\r\nHOST=a\r\n", "HOST", "a");
    check_value("\xEF\xBB\xBFPORT=8000", "PORT", "8000");
    check_value("PORT=", "PORT", "");
    check_value("PORT=   ", "PORT", "");
    check_value("PORT=1\nPORT=2", "PORT", "2");
    check_value("A=b=c", "A", "b=c");
    check_value("A=b c", "A", "b c");
    check_value("A=$HOME`id`$(id)", "A", "$HOME`id`$(id)");
    check_value("_a1=x", "_a1", "x");
    check_value("", "A", NULL);
}

static void test_comments(void **state) {
    (void)state;
    check_value("# PORT=1", "PORT", NULL);
    check_value("   # PORT=1\n", "PORT", NULL);
    check_value("PORT=1 # why", "PORT", "1");
    check_value("PORT=1\t# why", "PORT", "1");
    check_value("A=b#c", "A", "b#c");
    check_value("A=#c", "A", "");
    check_value("A= #c", "A", "");
}

static void test_quotes(void **state) {
    (void)state;
    check_value("A='b # c'", "A", "b # c");
    check_value("A='\\n $HOME \"'", "A", "\\n $HOME \"");
    check_value("A=\"b\\n\\t\\r\\\"\\\\\\$c\"", "A", "b\n\t\r\"\\$c");
    check_value("A=\"b\"  # why", "A", "b");
    check_value("A=''", "A", "");
    check_value("A=\" \"", "A", " ");
    check_value("A=b'c'", "A", "b'c'");
    check_value("A='b'\r\n", "A", "b");
}

/* The last of the lines is kept under `key` (NULL: as no variable) without a value, and says why. */
static void check_strange(const char *text, size_t size, const char *key, int line,
                          const char *wrong) {
    struct env_file file;
    struct error err = {""};
    assert_int_equal(env_file_parse(&file, text, size, ".env", &err), STATUS_OK);
    assert_true(file.count > 0);
    const struct env_entry *e = &file.entries[file.count - 1];
    assert_int_equal(e->line, line);
    assert_null(e->value);
    if (key)
        assert_string_equal(e->key, key);
    else
        assert_null(e->key);
    if (wrong)
        assert_string_equal(e->wrong, wrong);
    else
        assert_null(e->wrong);
    env_file_free(&file);
}

/* What is no line of ours stops nothing, and what stands around it counts. */
static void test_strange_lines(void **state) {
    (void)state;
#define STRANGE(text, ...) check_strange(text, sizeof text - 1, __VA_ARGS__)
    STRANGE("PORT", NULL, 1, NULL);
    STRANGE("PORT 8000", NULL, 1, NULL);
    STRANGE("=8000", NULL, 1, NULL);
    STRANGE("1A=x", NULL, 1, NULL);
    STRANGE("A-B=x", NULL, 1, NULL);
    STRANGE("export", NULL, 1, NULL);
    STRANGE("export A B=c", NULL, 1, NULL);
    STRANGE("\xc3\xa4=x", NULL, 1, NULL);
    STRANGE("A=1\n\n# x\nwhat is this", NULL, 4, NULL);
    STRANGE("A=b\0c", NULL, 1, NULL);
    STRANGE("A='b", "A", 1, "the quote is not closed on its line");
    STRANGE("A=\"b\\\"", "A", 1, "the quote is not closed on its line");
    STRANGE("A='b' c", "A", 1, "text after the closing quote");
    const char escape[] = "unknown escape in double quotes: \\n \\r \\t \\\" \\\\ \\$ are known";
    STRANGE("A=\"\\q\"", "A", 1, escape);
    STRANGE("A=\"\\", "A", 1, escape);
#undef STRANGE
    check_value("what is this\nA=\"b\nPORT=1\n", "PORT", "1");
    check_value("A='b\nA=c\n", "A", "c");
}

static void test_size(void **state) {
    (void)state;
    char *text = malloc(ENV_FILE_LIMIT + 1);
    assert_non_null(text);
    memset(text, '#', ENV_FILE_LIMIT + 1);
    struct env_file file;
    assert_int_equal(env_file_parse(&file, text, ENV_FILE_LIMIT, ".env", NULL), STATUS_OK);
    env_file_free(&file);
    struct error err = {""};
    assert_int_equal(env_file_parse(&file, text, ENV_FILE_LIMIT + 1, ".env", &err), STATUS_INVALID);
    assert_string_equal(err.text, ".env is larger than the 65536 bytes allowed for it");
    assert_null(file.entries);
    free(text);
}

static void test_files(void **state) {
    (void)state;
    struct env_file file;
    struct error err = {""};
    assert_int_equal(env_file_read(&file, "/nonexistent/.env", &err), STATUS_OK);
    assert_int_equal(file.count, 0);
    assert_int_equal(env_file_read(&file, "/tmp", &err), STATUS_INVALID);
    assert_string_equal(err.text, "/tmp is not a regular file");

    char *folder = temporary_folder();
    const char *path = in_folder(folder, ".env");
    write_text(path, "");
    assert_int_equal(env_file_read(&file, path, &err), STATUS_OK);
    assert_int_equal(file.count, 0);
    write_text(path, "A=b\n");
    assert_int_equal(env_file_read(&file, path, &err), STATUS_OK);
    assert_string_equal(env_file_find(&file, "A")->value, "b");
    env_file_free(&file);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_comments),
        cmocka_unit_test(test_quotes), cmocka_unit_test(test_strange_lines),
        cmocka_unit_test(test_size),   cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
