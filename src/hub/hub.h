/*
 * hub.h - models from the hub: what all of this room's modules have in common.
 *
 * The room fetches models by id into the cache that every program of the hub's shares, checks each
 * byte of them, tells what is there and takes it away again.
 *
 *     id           ORG/NAME[@REV], and what may stand in it
 *     environment  the options as the environment says them
 *     tree         the hub's lists of files, untrusted as they are
 *     select       which of these files a model needs, and which of them are missing
 *     cache        the cache's folders, locks, links and refs
 *     remote       questions to the hub: redirects, tokens, retries, refusals
 *     lanes        connections that are shared, and their rate
 *     part_file    a file on its way, with the map of what of it is there
 *     blob         one file, from the hub into the cache
 *     pull         one model
 *     snapshot     a model that is in the cache
 *     inventory    all that is in the cache, and its removal
 *     verify       every hash once more
 *
 * Nothing here prints or knows of terminals: what happens is told through `tell`, and who wants to
 * end it says so through `cancelled`.  Both may be called from any thread, `tell` by one at a time.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"
#include "net/http_get.h"

enum { HUB_CONNECTIONS = 8, HUB_CONNECTIONS_MAX = 32, HUB_HASH_SIZE = 65, HUB_COMMIT_SIZE = 41 };

enum hub_event_kind {
    HUB_EVENT_PLAN,     /* the files are known: `bytes` of them are to be fetched, of `total` */
    HUB_EVENT_PROGRESS, /* several times a second */
    HUB_EVENT_FILE,     /* `path` is in the cache now */
    HUB_EVENT_WAIT,     /* `text` says for what; again every 10 s */
    HUB_EVENT_NOTE,     /* `text` is something to know, in a sentence */
};

struct hub_event {
    enum hub_event_kind kind;
    const char *text; /* of WAIT and NOTE: printable, one line */
    const char *path; /* of FILE: in the repository */
    size_t files;     /* of PLAN */

    /* Of PLAN, PROGRESS and FILE. */
    uint64_t bytes, total; /* in the cache, with what was there before; of all that is wanted */
    uint64_t fetch;        /* of PLAN: what has to come from the hub */
    /* Of PROGRESS: */
    const char *part;   /* the folder that is worked at; "" for the top */
    size_t item, items; /* which of its large files that is: 3 of 5; 0 of 0 when it has none */
    double rate;        /* bytes a second, lately */
    double seconds;     /* that are left; negative: unknown */
};

struct hub_options {
    const char *cache;        /* its folder; NULL: there is none */
    const char *cache_source; /* why it is that one: a variable's name */
    const char *endpoint;     /* the hub's URL, without a slash at the end */
    const char *token;        /* NULL: none */
    const char *token_source; /* where it is from, for sentences */
    bool offline;             /* no socket is opened */
    const char *offline_why;  /* the variable that says so */
    bool no_links;            /* files go to the snapshot themselves */
    double seconds;           /* without an answer, or below 1 KB/s, until a request is given up */
    double pause;             /* before the first retry; doubled each time, up to 32 of it */
    int connections;          /* 1 to HUB_CONNECTIONS_MAX */
    uint64_t rate;            /* bytes a second, all together; 0: any */
    struct http_route route;

    void (*tell)(void *arg, const struct hub_event *event); /* may be NULL */
    bool (*cancelled)(void *arg);                           /* may be NULL */
    void *arg;
};

/* 8 connections, 10 seconds, pauses from 1 s on, the hub itself; no cache yet. */
struct hub_options hub_options_default(void);

bool hub_cancelled(const struct hub_options *o);
void hub_tell(const struct hub_options *o, const struct hub_event *event);
__attribute__((format(printf, 3, 4))) void hub_say(const struct hub_options *o,
                                                   enum hub_event_kind kind, const char *format,
                                                   ...);

/* Sleeps; false when it was cancelled meanwhile. */
bool hub_sleep(const struct hub_options *o, double seconds);

/* The pause before the next try after `tries` failures, 1 and more: doubled, with some jitter. */
double hub_pause(const struct hub_options *o, int tries);

/* Text from the hub as it may be shown: cut at the end of `out`, control characters as '?'. */
struct hub_text {
    char text[200];
};
struct hub_text hub_shown(const char *text, size_t size);

#endif
