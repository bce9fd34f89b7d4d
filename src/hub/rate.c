/*
 * The oldest point of the ring against now.
 */
#include "hub/rate.h"

#include "base/clock.h"

void hub_rate_start(struct hub_rate *r) {
    *r = (struct hub_rate){0};
    int64_t now = clock_now();
    for (unsigned i = 0; i < HUB_RATE_POINTS; i++) r->points[i].time = now;
}

double hub_rate_now(struct hub_rate *r, uint64_t bytes) {
    int64_t now = clock_now();
    unsigned last = (r->next + HUB_RATE_POINTS - 1) % HUB_RATE_POINTS;
    int64_t since = r->points[r->next].time;
    uint64_t before = r->points[r->next].bytes;
    if (now - r->points[last].time >= NANOSECONDS / 5) {
        r->points[r->next].time = now;
        r->points[r->next].bytes = bytes;
        r->next = (r->next + 1) % HUB_RATE_POINTS;
    }
    return now > since ? (double)(bytes - before) / clock_seconds(since, now) : 0;
}
