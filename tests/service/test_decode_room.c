/* Room for decoding: small pictures go together, large ones wait for each other, and nobody waits
 * longer than he wants. */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "service/decode_room.h"

enum { PIXELS = 100, ALL = 300 }; /* bytes */

static bool never(void *arg) {
    (void)arg;
    return false;
}

static bool always(void *arg) {
    (void)arg;
    return true;
}

static void test_sums(void **state) {
    (void)state;
    struct decode_room r;
    decode_room_init(&r, PIXELS);
    assert_true(decode_room_enter(&r, 200, never, NULL));
    assert_true(decode_room_enter(&r, 100, never, NULL)); /* to the byte */
    assert_false(decode_room_enter(&r, 1, always, NULL));
    decode_room_leave(&r, 200);
    assert_false(decode_room_enter(&r, 201, always, NULL));
    assert_true(decode_room_enter(&r, 150, never, NULL));
    decode_room_leave(&r, 100);
    decode_room_leave(&r, 150);
    assert_true(decode_room_enter(&r, 9 * ALL, never, NULL)); /* alone, it may be larger than all */
    assert_false(decode_room_enter(&r, 1, always, NULL));
    decode_room_leave(&r, 9 * ALL);
    assert_int_equal(r.taken, 0);
    decode_room_destroy(&r);
}

static struct decode_room room;
static atomic_int inside, most;

static void *decode(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) {
        assert_true(decode_room_enter(&room, ALL / 2, never, NULL));
        int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
        while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) continue;
        atomic_fetch_sub(&inside, 1);
        decode_room_leave(&room, ALL / 2);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    decode_room_init(&room, PIXELS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decode, NULL), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(atomic_load(&most), 1, 2);
    assert_int_equal(room.taken, 0);
    decode_room_destroy(&room);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
