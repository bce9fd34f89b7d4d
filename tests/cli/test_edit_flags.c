/* The flags of `firered edit` that are fields of a request: each row of the table is one, by its name,
 * and the program says of a bad value what the table says. */
#include "support/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "config/fields.h"
#include "firered.h"
#include "support/child.h"

static void run(struct child *c, const char *word) {
    child_start(c, FIRERED_PROGRAM,
                (const char *[]){"edit", "--image", "a.png", "--prompt", "night", word, NULL});
    child_wait(c);
}

static void test_every_row_is_a_flag(void **state) {
    (void)state;
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        char flag[FIELD_FLAG_SIZE], word[FIELD_FLAG_SIZE + 8], wanted[FIELD_ALLOWED_SIZE + 64],
            allowed[FIELD_ALLOWED_SIZE];
        struct child c;
        if (!(f->places & FIELD_OF_COMMAND)) continue;
        field_flag(f, flag);
        field_allowed(f, FIRERED_MAX_STEPS, allowed);
        snprintf(word, sizeof word, "--%s=bad", flag);
        snprintf(wanted, sizeof wanted, "--%s bad: must be %s", flag, allowed);
        run(&c, word);
        assert_int_equal(c.status, 2);
        if (!strstr(c.err, wanted)) fail_msg("%s, not: %s", c.err, wanted);
    }
}

/* Which says nothing of the server's MAX_STEPS: what a server allows is the server's to say. */
static void test_most_steps(void **state) {
    (void)state;
    struct child c;
    run(&c, "--steps=1001");
    assert_non_null(strstr(c.err, "--steps 1001: must be a whole number from 1 to 1000"));
    run(&c, "--steps=1000");
    assert_null(strstr(c.err, "must be"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_row_is_a_flag, scene_reset),
        cmocka_unit_test_setup(test_most_steps, scene_reset)};
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
