/*
 * What is named is read into the system's cache, all of it; and ending early is safe.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "support/files.h"
#include "weights/mapped_file.h"
#include "weights/read_ahead.h"

enum {
    COUNT = 6 << 20,
    BYTES = 4 * COUNT,
    PAGE = 4096
}; /* more than a disk takes in one request */

static struct weights *open_large(const char *path) {
    struct weights *w;
    struct error err = {{0}};
    float *numbers = calloc(COUNT, sizeof *numbers);
    const struct tensor_spec tensor = {"a", "F32", 1, {COUNT}, numbers, BYTES};
    write_tensors(path, &tensor, 1);
    free(numbers);
    if (weights_open_file(&w, path, &err) != STATUS_OK) fail_msg("%s", err.text);
    return w;
}

/* Takes the file out of the cache. */
static void drop(const char *path) {
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* Of the file's pages, how many the cache has. */
static size_t pages_there(const struct weight *t) {
    static unsigned char there[BYTES / PAGE + 2];
    const struct mapped_file *f = t->mapped;
    size_t pages = (f->size + PAGE - 1) / PAGE, n = 0;
    assert_true(pages <= sizeof there);
    assert_int_equal(mincore((void *)f->data, f->size, there), 0);
    for (size_t i = 0; i < pages; i++) n += there[i] & 1;
    return n;
}

static void test_all_of_it(void **state) {
    const char *path = in_folder(*state, "large.safetensors");
    struct weights *w = open_large(path);
    const struct weight *t = weights_find(w, "a");
    weights_release_bytes(t->mapped->data, t->mapped->size);
    drop(path);
    if (pages_there(t) > 100) { /* of a file system in memory */
        weights_close(w);
        skip();
    }
    struct read_ahead r;
    read_ahead_start(&r);
    assert_true(r.runs);
    read_ahead_add(&r, t);
    for (int i = 0; i < 3000 && pages_there(t) < BYTES / PAGE; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(pages_there(t) >= BYTES / PAGE);
    read_ahead_stop(&r);
    weights_close(w);
}

static void test_ended_at_once(void **state) {
    struct weights *w = open_large(in_folder(*state, "large.safetensors"));
    struct read_ahead r;
    for (int i = 0; i < 20; i++) {
        read_ahead_start(&r);
        for (int k = 0; k < i * 100; k++) read_ahead_add(&r, weights_at(w, 0)); /* also too many */
        read_ahead_stop(&r);
    }
    weights_close(w);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)
    const struct CMUnitTest tests[] = {TEST(test_all_of_it), TEST(test_ended_at_once)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
