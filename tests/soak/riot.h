/*
 * riot.h - clients that use a server rightly, wrongly, and rudely at the same time, and what they
 * saw of it.
 *
 * Some edits are known: a form, and the picture that the server made of it when nothing else went
 * on.  Whoever asks for one of them, by whatever route, gets these bytes, or is told that the queue
 * is full.
 */
#ifndef TESTS_SOAK_RIOT_H
#define TESTS_SOAK_RIOT_H

#include "http/harness.h"
#include "soak/mutate.h"

enum { KNOWN_EDITS = 6, SHARED_JOBS = 64, MOST_STATUS = 600 };

enum riot_route {
    RIOT_EDIT,
    RIOT_JOBS,
    RIOT_OPENAI,
    RIOT_JOB,
    RIOT_EVENTS,
    RIOT_RESULT,
    RIOT_PAGES, /* and those behind it: as in the table of pages */
    RIOT_ROUTES = RIOT_PAGES + 6
};
/* As /metrics calls it. */
const char *riot_route_name(enum riot_route route);

struct known_edit {
    struct buffer form, picture, base64;
};

struct shared_job {
    char id[33]; /* "": none */
    const struct known_edit *edit;
};

struct riot {
    struct server_process *server;
    struct known_edit known[KNOWN_EDITS];
    atomic_bool stop;
    atomic_bool ending; /* the server was asked to stop: it may refuse, or say nothing */
    atomic_long seen[RIOT_ROUTES][MOST_STATUS]; /* answers whose head was read */
    atomic_long unsure;                         /* requests that may have been answered to nobody */
    atomic_long right;                          /* pictures that had the right bytes */
    atomic_long deeds;
    atomic_long wrong; /* what was not as promised; the first few are printed */
    pthread_mutex_t lock;
    struct shared_job jobs[SHARED_JOBS]; /* the newest, which anybody may look at and delete */
    unsigned next_job;
};

struct rioter {
    struct riot *riot;
    struct dice dice;
    pthread_t thread;
};

/* Learns the known edits from a server that has nothing else to do. */
void riot_prepare(struct riot *riot, struct server_process *server);
void riot_free(struct riot *riot);

/* Asks for every known edit, one after the other: none may be refused now. */
void riot_check_edits(struct riot *riot);

/* A thread's work: one deed after the other until `stop`. */
void *riot_take_part(void *rioter);

#endif
