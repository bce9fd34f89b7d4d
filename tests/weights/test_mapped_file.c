/*
 * A mapped file that somebody shortens, writes to or replaces: reading goes on, and the check tells.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"
#include "support/files.h"
#include "support/sanitized.h"
#include "weights/mapped_file.h"

enum { PAGES = 64, PAGE = 4096, SIZE = PAGES * PAGE };

static struct mapped_file *open_seven(const char *path) {
    static uint8_t sevens[SIZE];
    struct mapped_file *f;
    struct error err = {{0}};
    memset(sevens, 7, sizeof sevens);
    write_bytes(path, sevens, sizeof sevens);
    if (mapped_file_open(&f, path, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(f->size, SIZE);
    assert_int_equal(mapped_file_check(f, &err), STATUS_OK);
    return f;
}

static void check_changed(const struct mapped_file *f, const char *path, const char *says) {
    struct error err = {{0}};
    assert_int_equal(mapped_file_check(f, &err), STATUS_IO);
    if (!strstr(err.text, path) || !strstr(err.text, says)) fail_msg("%s", err.text);
}

static long sum_of(const struct mapped_file *f) {
    long sum = 0;
    for (size_t i = 0; i < f->size; i++) sum += f->data[i];
    return sum;
}

static void *sum_in_thread(void *arg) {
    return (void *)sum_of(arg); /* NOLINT(performance-no-int-to-ptr) */
}

/* From any thread, all at once: what is gone reads as zeros, what is there as it was. */
static void test_shortened(void **state) {
    const char *path = in_folder(*state, "file");
    enum { THREADS = 8, LEFT = 5 };
    pthread_t threads[THREADS];
    struct mapped_file *f = open_seven(path);
    assert_int_equal(truncate(path, LEFT * PAGE), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sum_in_thread, f), 0);
    for (int i = 0; i < THREADS; i++) {
        void *sum;
        pthread_join(threads[i], &sum);
        assert_int_equal((long)sum, 7 * LEFT * PAGE);
    }
    check_changed(f, path, "was shortened");
    mapped_file_close(f);
}

/* Even where the size is right again: the pages that were replaced stay so. */
static void test_shortened_and_put_back(void **state) {
    const char *path = in_folder(*state, "file");
    struct mapped_file *f = open_seven(path);
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(truncate(path, PAGE), 0);
    assert_int_equal(f->data[SIZE - 1], 0);
    assert_int_equal(truncate(path, SIZE), 0);
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    check_changed(f, path, "could not be read");
    mapped_file_close(f);
    f = open_seven(path); /* nothing of it is left for the next one */
    assert_int_equal(sum_of(f), 7L * SIZE);
    mapped_file_close(f);
}

/* In the middle of a page no signal comes: the rest of it is zeros. */
static void test_shortened_within_a_page(void **state) {
    const char *path = in_folder(*state, "file");
    struct mapped_file *f = open_seven(path);
    assert_int_equal(truncate(path, SIZE - 10), 0);
    assert_int_equal(sum_of(f), 7L * (SIZE - 10));
    check_changed(f, path, "was shortened");
    mapped_file_close(f);
}

static void test_written_to(void **state) {
    const char *path = in_folder(*state, "file");
    struct mapped_file *f = open_seven(path);
    let_file_times_pass();
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fputc(8, file), 8);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(f->data[0], 8);
    check_changed(f, path, "was written to");
    mapped_file_close(f);
}

static void test_grown(void **state) {
    const char *path = in_folder(*state, "file");
    struct mapped_file *f = open_seven(path);
    let_file_times_pass();
    assert_int_equal(truncate(path, SIZE + 1), 0);
    check_changed(f, path, "was written to");
    mapped_file_close(f);
}

/* The old file stays mapped, whatever comes in its place; so it does under another name or mode. */
static void test_replaced(void **state) {
    const char *path = in_folder(*state, "file"), *other = in_folder(*state, "other");
    struct error err = {{0}};
    struct mapped_file *f = open_seven(path);
    write_text(other, "short");
    let_file_times_pass();
    assert_int_equal(link(path, in_folder(*state, "second-name")), 0);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(rename(other, path), 0);
    if (mapped_file_check(f, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(sum_of(f), 7L * SIZE);
    assert_int_equal(unlink(path), 0);
    if (mapped_file_check(f, &err) != STATUS_OK) fail_msg("%s", err.text);
    mapped_file_close(f);
}

static void test_refused(void **state) {
    struct mapped_file *f;
    struct error err = {{0}};
    assert_int_equal(mapped_file_open(&f, in_folder(*state, "none"), &err), STATUS_IO);
    assert_non_null(strstr(err.text, "none: No such file"));
    assert_int_equal(mapped_file_open(&f, *state, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "is not a regular file"));
    write_text(in_folder(*state, "empty"), "");
    assert_int_equal(mapped_file_open(&f, in_folder(*state, "empty"), &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "is empty"));
    assert_null(f);
    mapped_file_close(f);
}

/* ---- what is not ours ---- */

static void read_foreign_page(void *arg) {
    const char *path = arg;
    signal(SIGBUS, SIG_DFL); /* not cmocka's */
    struct mapped_file *f = open_seven(path);
    FILE *file = fopen(path, "r+");
    const volatile char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fileno(file), 0);
    mapped_file_close(f);
    if (ftruncate(fileno(file), PAGE) == 0) (void)map[SIZE - 1];
}

static void send_bus_error(void *arg) {
    signal(SIGBUS, SIG_DFL);
    mapped_file_close(open_seven(arg));
    raise(SIGBUS);
}

/* A SIGBUS about anything else ends the process as before; a sanitizer has an end of its own. */
static void test_foreign(void **state) {
    static void (*const ways[])(void *) = {read_foreign_page, send_bus_error};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int end = child_end(child_fork(ways[i], (char *)in_folder(*state, "file")), 30);
        if (SANITIZED)
            assert_int_not_equal(end, 0);
        else
            assert_int_equal(end, 128 + SIGBUS);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_shortened),
        TEST(test_shortened_and_put_back),
        TEST(test_shortened_within_a_page),
        TEST(test_written_to),
        TEST(test_grown),
        TEST(test_replaced),
        TEST(test_refused),
        TEST(test_foreign),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
