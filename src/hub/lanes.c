/*
 * Tickets make the waiting fair: the taker with the lowest number goes first.  The rate is one
 * moment in the future, until which all that came so far is allowed to take.
 */
#include "hub/lanes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

enum { SLOWEST_LANE = 8192 };

struct hub_lanes {
    const struct hub_options *options;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct http_connection *all[HUB_CONNECTIONS_MAX], *free[HUB_CONNECTIONS_MAX];
    int count, free_count;
    unsigned long next_ticket, serving;
    int64_t allowed; /* when what came so far is within the rate */
};

enum status hub_lanes_create(struct hub_lanes **out, const struct hub_options *o,
                             struct error *err) {
    struct hub_lanes *lanes = calloc(1, sizeof *lanes);
    *out = lanes;
    if (!lanes) return fail(err, STATUS_NO_MEMORY, "no memory for connections");
    lanes->options = o;
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->freed, NULL);
    int count = o->connections < 1 ? 1 : o->connections;
    if (count > HUB_CONNECTIONS_MAX) count = HUB_CONNECTIONS_MAX;
    while (o->rate && count > 1 && o->rate / (uint64_t)count < SLOWEST_LANE) count--;
    enum status s = STATUS_OK;
    for (; s == STATUS_OK && lanes->count < count; lanes->count += s == STATUS_OK)
        s = http_connection_open(&lanes->all[lanes->count], err);
    for (int i = 0; i < lanes->count; i++) lanes->free[i] = lanes->all[i];
    lanes->free_count = lanes->count;
    return s;
}

void hub_lanes_destroy(struct hub_lanes *lanes) {
    if (!lanes) return;
    for (int i = 0; i < lanes->count; i++) http_connection_close(lanes->all[i]);
    pthread_cond_destroy(&lanes->freed);
    pthread_mutex_destroy(&lanes->lock);
    free(lanes);
}

int hub_lanes_count(const struct hub_lanes *lanes) {
    return lanes->count;
}

struct http_connection *hub_lanes_take(struct hub_lanes *lanes) {
    pthread_mutex_lock(&lanes->lock);
    unsigned long ticket = lanes->next_ticket++;
    while (ticket != lanes->serving || lanes->free_count == 0)
        pthread_cond_wait(&lanes->freed, &lanes->lock);
    lanes->serving++;
    struct http_connection *lane = lanes->free[--lanes->free_count];
    pthread_cond_broadcast(&lanes->freed);
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

void hub_lanes_give(struct hub_lanes *lanes, struct http_connection *lane) {
    pthread_mutex_lock(&lanes->lock);
    lanes->free[lanes->free_count++] = lane;
    pthread_cond_broadcast(&lanes->freed);
    pthread_mutex_unlock(&lanes->lock);
}

bool hub_lanes_slow_down(struct hub_lanes *lanes, size_t bytes) {
    const struct hub_options *o = lanes->options;
    if (!o->rate) return true;
    pthread_mutex_lock(&lanes->lock);
    int64_t now = clock_now();
    if (lanes->allowed < now) lanes->allowed = now;
    lanes->allowed += (int64_t)((double)bytes / (double)o->rate * 1e9);
    double seconds = clock_seconds(now, lanes->allowed);
    pthread_mutex_unlock(&lanes->lock);
    return hub_sleep(o, seconds);
}
