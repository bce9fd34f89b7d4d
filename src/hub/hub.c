/*
 * What the modules of the room share: one teller at a time, and sleep that can be ended.
 */
#include "hub/hub.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"

static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;

struct hub_options hub_options_default(void) {
    return (struct hub_options){
        .endpoint = "https://huggingface.co",
        .seconds = 10,
        .pause = 1,
        .connections = HUB_CONNECTIONS,
    };
}

bool hub_cancelled(const struct hub_options *o) {
    return o->cancelled && o->cancelled(o->arg);
}

void hub_tell(const struct hub_options *o, const struct hub_event *event) {
    if (!o->tell) return;
    pthread_mutex_lock(&telling);
    o->tell(o->arg, event);
    pthread_mutex_unlock(&telling);
}

void hub_say(const struct hub_options *o, enum hub_event_kind kind, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hub_tell(o, &(struct hub_event){.kind = kind, .text = text});
}

bool hub_sleep(const struct hub_options *o, double seconds) {
    int64_t until = clock_now() + (int64_t)(seconds * 1e9);
    while (!hub_cancelled(o)) {
        int64_t left = until - clock_now();
        if (left <= 0) return true;
        struct timespec t = {.tv_nsec = left < 50000000 ? left : 50000000};
        nanosleep(&t, NULL);
    }
    return false;
}

double hub_pause(const struct hub_options *o, int tries) {
    unsigned random = 0;
    ssize_t n = getrandom(&random, sizeof random, GRND_NONBLOCK);
    (void)n; /* without it there is no jitter */
    double share = (double)(random % 1000) / 1000;
    int doublings = tries - 1 > 5 ? 5 : tries - 1;
    return o->pause * (double)(1 << doublings) * (0.75 + share / 2);
}

struct hub_text hub_shown(const char *text, size_t size) {
    struct hub_text out;
    size_t n = 0;
    for (; n < size && n < sizeof out.text - 1 && text[n]; n++)
        out.text[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
    out.text[n] = '\0';
    return out;
}
