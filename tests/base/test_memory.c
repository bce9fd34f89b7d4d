/* What memory_available says must be in keeping with what the system says of itself. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/memory.h"

static void test_within_the_machine(void **state) {
    (void)state;
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    uint64_t available = memory_available();
    assert_true(available > 0);
    assert_true(available <= (uint64_t)info.totalram * info.mem_unit);
}

/* Other processes come and go; half of what we took is a wide margin. */
static void test_sees_what_is_taken(void **state) {
    (void)state;
    const size_t taken = (size_t)512 << 20;
    uint64_t before = memory_available();
    char *memory = malloc(taken);
    assert_non_null(memory);
    memset(memory, 1, taken);
    uint64_t after = memory_available();
    free(memory);
    assert_true(after < before);
    assert_true(before - after > taken / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_within_the_machine),
                                       cmocka_unit_test(test_sees_what_is_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
