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

/* What became unavailable while this process took `bytes`. */
static int64_t seen_of(size_t bytes) {
    uint64_t before = memory_available();
    char *memory = malloc(bytes);
    assert_non_null(memory);
    memset(memory, 1, bytes);
    uint64_t after = memory_available();
    free(memory);
    return (int64_t)before - (int64_t)after;
}

/* Half of what we took is a wide margin; but a large process that ends meanwhile hides it all, so it
 * need only be seen in one of a few tries. */
static void test_sees_what_is_taken(void **state) {
    (void)state;
    enum { TAKEN = 512 << 20, TRIES = 8 };
    int64_t seen = 0;
    for (int i = 0; i < TRIES && seen <= TAKEN / 2; i++) seen = seen_of(TAKEN);
    assert_true(seen > TAKEN / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_within_the_machine),
                                       cmocka_unit_test(test_sees_what_is_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
