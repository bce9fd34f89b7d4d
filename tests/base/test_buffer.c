/*
 * Appending, printing and reading: what fits arrives, what does not leaves the buffer as it was.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "support/files.h"
#include "support/sanitized.h"

static void test_append(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_append(&b, NULL, 0, NULL), STATUS_OK);
    assert_int_equal(b.size, 0);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buffer_append(&b, "ab\0c", 4, NULL), STATUS_OK);
        assert_int_equal(b.size, 4 * (i + 1));
        assert_true(b.capacity > b.size && b.data[b.size] == '\0');
    }
    for (size_t i = 0; i < b.size; i++) assert_int_equal(b.data[i], "ab\0c"[i % 4]);
    buffer_free(&b);
    assert_true(!b.data && b.size == 0 && b.capacity == 0);
    buffer_free(&b);
}

static void test_printf(void **state) {
    (void)state;
    struct buffer b = {0};
    char want[4096] = "";
    for (int i = 0; i < 200; i++) {
        assert_int_equal(buffer_printf(&b, "%d-%s;", i, i % 2 ? "odd" : ""), STATUS_OK);
        snprintf(want + strlen(want), sizeof want - strlen(want), "%d-%s;", i, i % 2 ? "odd" : "");
        assert_string_equal(b.data, want);
        assert_int_equal(b.size, strlen(want));
    }
    assert_int_equal(buffer_printf(&b, "%s", ""), STATUS_OK);
    assert_string_equal(b.data, want);
    buffer_free(&b);
}

/* Sizes that no memory has leave the buffer as it was; the data, which is not that long, is not
 * touched. */
static void test_too_much(void **state) {
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 - 4};
    struct buffer b = {0};
    assert_int_equal(buffer_append(&b, "kept", 4, NULL), STATUS_OK);
    for (int i = 0; i < 4; i++) {
#if SANITIZED
        if (i == 3) continue; /* a sanitizer's realloc ends the program instead of failing */
#endif
        struct error err = {{0}};
        assert_int_equal(buffer_append(&b, "x", sizes[i], &err), STATUS_NO_MEMORY);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(b.size, 4);
        assert_string_equal(b.data, "kept");
    }
    buffer_free(&b);
}

static void test_read_file(void **state) {
    (void)state;
    char *folder = temporary_folder();
    const char *path = in_folder(folder, "file");
    size_t n = 200001;
    char *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7 + i / 256);

    struct buffer b = {0};
    struct error err = {{0}};
    write_bytes(path, bytes, n);
    assert_int_equal(buffer_read_file(&b, path, n, &err), STATUS_OK);
    assert_int_equal(b.size, n);
    assert_memory_equal(b.data, bytes, n);
    buffer_free(&b);
    assert_int_equal(buffer_read_file(&b, path, n - 1, &err), STATUS_INVALID);
    assert_null(b.data);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(buffer_read_file(&b, path, 0, &err), STATUS_INVALID);

    write_bytes(path, "", 0);
    assert_int_equal(buffer_read_file(&b, path, 0, &err), STATUS_OK);
    assert_int_equal(b.size, 0);
    buffer_free(&b);
    assert_int_equal(buffer_read_file(&b, folder, 100, &err), STATUS_INVALID);
    unlink(path);
    assert_int_equal(buffer_read_file(&b, path, 100, &err), STATUS_IO);
    /* A pipe without a writer must be refused, not waited for. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(buffer_read_file(&b, path, 100, &err), STATUS_INVALID);
    remove_folder(folder);
    free(bytes);
}

static void *write_into(void *path) {
    int fd = open(path, O_WRONLY);
    ssize_t n = write(fd, "through a pipe", 14);
    close(fd);
    return n == 14 ? path : NULL;
}

static void test_read_input(void **state) {
    (void)state;
    char *folder = temporary_folder();
    const char *path = in_folder(folder, "pipe");
    struct buffer b = {0};
    struct error err = {{0}};
    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t limit = 13; limit <= 14; limit++) {
        pthread_t writer;
        assert_int_equal(pthread_create(&writer, NULL, write_into, (void *)path), 0);
        enum status s = buffer_read_input(&b, path, limit, &err);
        pthread_join(writer, NULL);
        assert_int_equal(s, limit < 14 ? STATUS_INVALID : STATUS_OK);
    }
    assert_int_equal(b.size, 14);
    assert_memory_equal(b.data, "through a pipe", 14);
    buffer_free(&b);
    assert_int_equal(buffer_read_input(&b, folder, 100, &err), STATUS_INVALID);
    assert_int_equal(buffer_read_input(&b, "/dev/zero", 100, &err), STATUS_INVALID);
    assert_string_equal(err.text, "/dev/zero is not a regular file");
    unlink(path);
    assert_int_equal(buffer_read_input(&b, path, 100, &err), STATUS_IO);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_append), cmocka_unit_test(test_printf),
                                       cmocka_unit_test(test_too_much),
                                       cmocka_unit_test(test_read_file),
                                       cmocka_unit_test(test_read_input)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
