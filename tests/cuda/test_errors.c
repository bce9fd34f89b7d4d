/*
 * What becomes of a model and of its edits when the card fails at any call: a sentence, nothing kept
 * that was taken, and a next edit that is right, unless the card is lost.  Each failure has a process
 * of its own, since the simulated driver counts its calls from the process's start.
 *
 * FIRERED_EVERY_FAILURE=1 tries every call, not only some: by hand, it takes an hour.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "pipeline/engine.h"
#include "pipeline/reference_case.h"
#include "support/child.h"

/* How a process ended. */
enum outcome {
    ALL_WELL,   /* the failure was met by other means, or lies beyond the last call */
    WRONG,      /* anything that must not be */
    NOT_OPENED, /* no memory, or no kernels, at load */
    LOST_AT_LOAD,
    NEXT_EDIT_WORKS, /* the first one had its sentence */
    CARD_IS_LOST,    /* both edits had the same one */
};

static enum status edit(struct firered *engine, struct firered_result *result, struct error *err) {
    enum { SIDE = 64 };
    static uint8_t grey[SIDE * SIDE * 3];
    memset(grey, 128, sizeof grey);
    const struct picture picture = {SIDE, SIDE, grey};
    const struct firered_edit edit = {.pictures = &picture,
                                      .picture_count = 1,
                                      .prompt = "night",
                                      .guidance_scale = 1,
                                      .steps = 1,
                                      .seed = 3,
                                      .width = SIDE,
                                      .height = SIDE};
    return firered_edit_run(engine, &edit, result, err);
}

static enum outcome two_edits(struct firered *engine) {
    struct firered_result first, second;
    struct error first_err = {{0}}, second_err = {{0}};
    enum status one = edit(engine, &first, &first_err), two = edit(engine, &second, &second_err);
    enum outcome o = WRONG;
    if (one == STATUS_OK && two == STATUS_OK)
        o = picture_max_difference(&first.picture, &second.picture) == 0 ? ALL_WELL : WRONG;
    else if (one == STATUS_OK && two == STATUS_DEVICE)
        o = second_err.text[0] ? CARD_IS_LOST : WRONG;
    else if (one == STATUS_DEVICE && two == STATUS_DEVICE)
        o = strcmp(first_err.text, second_err.text) == 0 ? CARD_IS_LOST : WRONG;
    else if ((one != STATUS_OK) != (two != STATUS_OK))
        o = (one != STATUS_OK ? first_err : second_err).text[0] ? NEXT_EDIT_WORKS : WRONG;
    picture_free(&first.picture);
    picture_free(&second.picture);
    return o;
}

static void work(void *arg) {
    const char *failure = arg;
    struct firered_options options = {
        .model = TEST_DATA "/tiny-edit-bf16-sharded/model", .device = "cuda", .threads = 1};
    struct firered *engine;
    struct error err = {{0}};
    int errors = open("errors", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (errors < 0 || dup2(errors, STDERR_FILENO) < 0) exit(WRONG);
    setenv("SIM_FAIL", failure, 1);
    enum status s = firered_open(&engine, &options, &err);
    if (s != STATUS_OK) exit(!err.text[0] ? WRONG : s == STATUS_DEVICE ? LOST_AT_LOAD : NOT_OPENED);
    enum outcome o = two_edits(engine);
    firered_close(engine);
    exit((int)o);
}

/* What the driver reports is a fault, but for what a lost card's process never gave back: nothing is
 * asked of such a card any more. */
static enum outcome fail_at(const char *kind, int n) {
    char failure[32];
    struct buffer errors = {0};
    snprintf(failure, sizeof failure, "%s:%d", kind, n);
    enum outcome o = (enum outcome)child_end(child_fork(work, failure), 300);
    assert_int_equal(buffer_read_file(&errors, "errors", 1 << 20, NULL), STATUS_OK);
    bool lost = o == CARD_IS_LOST || o == LOST_AT_LOAD;
    char none[] = "";
    for (char *line = strtok(errors.size ? errors.data : none, "\n"); line;
         line = strtok(NULL, "\n"))
        if (!lost || strncmp(line, "sim: EXIT: ", 11) != 0) fail_msg("%s: %s", failure, line);
    if (o == WRONG || o > CARD_IS_LOST) fail_msg("%s: ended with %d", failure, (int)o);
    buffer_free(&errors);
    return o;
}

/* Where the n-th call fails: what came of it, counted. */
struct trials {
    const char *kind;
    int seen[CARD_IS_LOST + 1];
    int last, beyond; /* the last n that was not well, and the first tried after it that was */
};

static void try_at(struct trials *t, int n) {
    enum outcome o = fail_at(t->kind, n);
    t->seen[o]++;
    if (o != ALL_WELL)
        t->last = n;
    else if (t->beyond <= t->last || n < t->beyond)
        t->beyond = n;
}

/* From the first call to beyond the last one; then from there back towards the last ones, which are
 * the edits'. */
static struct trials fail_at_any(const char *kind) {
    struct trials t = {.kind = kind};
    bool every = getenv("FIRERED_EVERY_FAILURE") != NULL;
    int calm = 0;
    for (int n = 1; calm < 2; n = every ? n + 1 : 4 * n + 1) {
        int before = t.seen[ALL_WELL];
        try_at(&t, n);
        calm = t.seen[ALL_WELL] > before ? calm + 1 : 0;
    }
    for (int i = 0; i < 4 && t.beyond - t.last > 1; i++)
        try_at(&t, t.last + (t.beyond - t.last) / 2);
    return t;
}

static void test_no_memory(void **state) {
    (void)state;
    struct trials t = fail_at_any("alloc");
    assert_int_equal(t.seen[CARD_IS_LOST], 0);
}

static void test_a_copy_that_fails(void **state) {
    (void)state;
    struct trials t = fail_at_any("copy");
    assert_true(t.seen[LOST_AT_LOAD] > 0 && t.seen[CARD_IS_LOST] > 0);
    assert_int_equal(t.seen[NEXT_EDIT_WORKS], 0);
}

static void test_a_launch_that_is_refused(void **state) {
    (void)state;
    struct trials t = fail_at_any("launch");
    assert_true(t.seen[NEXT_EDIT_WORKS] > 0);
    assert_int_equal(t.seen[CARD_IS_LOST], 0);
}

static void test_a_card_that_is_lost(void **state) {
    (void)state;
    struct trials t = fail_at_any("sticky");
    assert_true(t.seen[CARD_IS_LOST] > 0);
    assert_int_equal(t.seen[NEXT_EDIT_WORKS], 0);
}

static void test_kernels_that_are_not_taken(void **state) {
    (void)state;
    assert_int_equal(fail_at("load", 1), NOT_OPENED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_a_copy_that_fails),
        cmocka_unit_test(test_a_launch_that_is_refused),
        cmocka_unit_test(test_a_card_that_is_lost),
        cmocka_unit_test(test_kernels_that_are_not_taken),
    };
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
