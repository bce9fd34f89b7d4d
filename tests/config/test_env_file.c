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

static void check_refused(const char *text, size_t size, const char *expected) {
    struct env_file file;
    struct error err = {""};
    assert_int_equal(env_file_parse(&file, text, size, ".env", &err), STATUS_INVALID);
    assert_string_equal(err.text, expected);
    assert_int_equal(file.count, 0);
    assert_null(file.entries);
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

static void test_refused(void **state) {
    (void)state;
#define REFUSED(text, message) check_refused(text, sizeof text - 1, message)
    const char line[] = ".env, line 1: expected NAME=VALUE, a comment or an empty line";
    REFUSED("PORT", line);
    REFUSED("PORT 8000", line);
    REFUSED("=8000", line);
    REFUSED("1A=x", line);
    REFUSED("A-B=x", line);
    REFUSED("export", line);
    REFUSED("export A B=c", line);
    REFUSED("\xc3\xa4=x", line);
    REFUSED("A=1\n\n# x\nwhat is this",
            ".env, line 4: expected NAME=VALUE, a comment or an empty line");
    REFUSED("A='b", ".env, line 1: the quote is not closed on its line");
    REFUSED("A=\"b\\\"", ".env, line 1: the quote is not closed on its line");
    REFUSED("A=\"b\nc\"", ".env, line 1: the quote is not closed on its line");
    REFUSED("A='b' c", ".env, line 1: text after the closing quote");
    REFUSED("A=\"\\q\"",
            ".env, line 1: unknown escape in double quotes: \\n \\r \\t \\\" \\\\ \\$ are known");
    REFUSED("A=\"\\",
            ".env, line 1: unknown escape in double quotes: \\n \\r \\t \\\" \\\\ \\$ are known");
    REFUSED("A=b\0c", ".env, line 1: a zero byte: this is no text file");
#undef REFUSED
}

static void test_size(void **state) {
    (void)state;
    char *text = malloc(ENV_FILE_LIMIT + 1);
    assert_non_null(text);
    memset(text, '#', ENV_FILE_LIMIT + 1);
    struct env_file file;
    assert_int_equal(env_file_parse(&file, text, ENV_FILE_LIMIT, ".env", NULL), STATUS_OK);
    env_file_free(&file);
    check_refused(text, ENV_FILE_LIMIT + 1, ".env is larger than the 65536 bytes allowed for it");
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
        cmocka_unit_test(test_quotes), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_size),   cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
