/*
 * decode_room.h - how much memory pictures that are being decoded may take together: as much as the
 * largest one that is allowed would alone.  Many small ones go at the same time; large ones wait for
 * each other.
 *
 * May be used from any thread.
 */
#ifndef SERVICE_DECODE_ROOM_H
#define SERVICE_DECODE_ROOM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct decode_room {
    uint64_t max_bytes;
    pthread_mutex_t lock;
    pthread_cond_t left;
    uint64_t taken;
};

void decode_room_init(struct decode_room *r, int64_t max_pixels);
void decode_room_destroy(struct decode_room *r);

/* Waits until so many bytes are to be had; who is alone gets any number.  `stopping` is asked now and
 * then: false, and nothing was taken, once it says true. */
bool decode_room_enter(struct decode_room *r, uint64_t bytes, bool (*stopping)(void *arg),
                       void *arg);
void decode_room_leave(struct decode_room *r, uint64_t bytes);

#endif
