/*
 * One mutex and a sum.  Who waits wakes up by the clock as well, since a deadline or a client's leaving
 * wakes nobody.
 */
#include "service/decode_room.h"

#include "base/clock.h"

enum { PIXEL_BYTES = 3, LOOK_EVERY = NANOSECONDS / 20 };

void decode_room_init(struct decode_room *r, int64_t max_pixels) {
    *r = (struct decode_room){.max_bytes = (uint64_t)max_pixels * PIXEL_BYTES};
    pthread_mutex_init(&r->lock, NULL);
    clock_cond_init(&r->left);
}

void decode_room_destroy(struct decode_room *r) {
    pthread_cond_destroy(&r->left);
    pthread_mutex_destroy(&r->lock);
}

static bool fits(const struct decode_room *r, uint64_t bytes) {
    return r->taken == 0 || (r->taken <= r->max_bytes && bytes <= r->max_bytes - r->taken);
}

bool decode_room_enter(struct decode_room *r, uint64_t bytes, bool (*stopping)(void *arg),
                       void *arg) {
    pthread_mutex_lock(&r->lock);
    while (!fits(r, bytes)) {
        struct timespec until = clock_timespec(clock_now() + LOOK_EVERY);
        pthread_cond_timedwait(&r->left, &r->lock, &until);
        pthread_mutex_unlock(&r->lock);
        if (stopping(arg)) return false;
        pthread_mutex_lock(&r->lock);
    }
    r->taken += bytes;
    pthread_mutex_unlock(&r->lock);
    return true;
}

void decode_room_leave(struct decode_room *r, uint64_t bytes) {
    pthread_mutex_lock(&r->lock);
    r->taken -= bytes;
    pthread_cond_broadcast(&r->left);
    pthread_mutex_unlock(&r->lock);
}
