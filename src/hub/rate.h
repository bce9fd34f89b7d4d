/*
 * rate.h - how fast bytes came lately: over the last five seconds.
 */
#ifndef HUB_RATE_H
#define HUB_RATE_H

#include <stdint.h>

enum { HUB_RATE_POINTS = 20 };

struct hub_rate {
    struct {
        int64_t time;
        uint64_t bytes;
    } points[HUB_RATE_POINTS]; /* a ring, a quarter of a second each */
    unsigned next;
};

void hub_rate_start(struct hub_rate *r);

/* `bytes`: all that came so far.  Bytes a second. */
double hub_rate_now(struct hub_rate *r, uint64_t bytes);

#endif
