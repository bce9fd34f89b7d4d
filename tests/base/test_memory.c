/* What memory_available says must be in keeping with what the system says of itself. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "base/memory.h"
#include "support/sanitized.h"

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

/* Of a limit on addresses, what the process has already is gone, and what it takes goes. */
static void check_addresses(int resource) {
    enum {
        LIMIT_MB = 1 << 24,
        TAKEN = 64 << 20
    }; /* 16 TB: more than any build of ours maps at once */
    struct rlimit limit, old;
    assert_int_equal(getrlimit(resource, &old), 0);
    limit = old;
    limit.rlim_cur = (rlim_t)LIMIT_MB << 20;
    if (limit.rlim_max < limit.rlim_cur || setrlimit(resource, &limit) != 0) skip();
    uint64_t before = memory_addresses_left();
    void *taken = mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t after = memory_addresses_left();
    if (taken != MAP_FAILED) munmap(taken, TAKEN);
    assert_int_equal(setrlimit(resource, &old), 0);
    assert_true(taken != MAP_FAILED);
    assert_true(before > 0 && before < limit.rlim_cur);
    assert_true(before - after >= TAKEN && before - after < 2 * TAKEN);
}

static void test_addresses(void **state) {
    (void)state;
    if (SANITIZED) skip();
    struct rlimit all, data;
    getrlimit(RLIMIT_AS, &all);
    getrlimit(RLIMIT_DATA, &data);
    if (all.rlim_cur != RLIM_INFINITY || data.rlim_cur != RLIM_INFINITY) skip();
    assert_true(memory_addresses_left() == UINT64_MAX);
    check_addresses(RLIMIT_AS);
    check_addresses(RLIMIT_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_within_the_machine),
                                       cmocka_unit_test(test_sees_what_is_taken),
                                       cmocka_unit_test(test_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
