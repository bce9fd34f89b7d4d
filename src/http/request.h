/*
 * request.h - one request under way, and the server that it came to: what the files of this room
 * share.
 *
 * A request lives from its head to the library's word that it is over (dispatch.c).  All of it
 * belongs to the library's thread, but for what edit_route.c hands to the queue.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "config/config.h"
#include "http/clients.h"
#include "http/limits.h"
#include "http/reply.h"
#include "service/request_id.h"
#include "service/service.h"

struct server {
    const struct config *config;
    const struct log *log;
    struct limits limits;
    struct service *service;
    struct clients *clients;
    struct event_streams *streams;
    struct MHD_Daemon *daemon;
    const struct route *more_routes; /* as for route_find */
    atomic_int requests;             /* under way */
    time_t started;
};

struct route;
struct form;
enum { ID_IN_PATH_SIZE = 256, PREFIX_SIZE = 128 };

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct client *client;
    const struct route *route;
    void *state;       /* the route's own, which it frees; NULL: none */
    struct form *form; /* upload.h's, while one is read; NULL: none */
    char id[REQUEST_ID_MAX + 1];
    char method[16], path[128]; /* for the log: cut, not cleaned */
    char prefix[PREFIX_SIZE];   /* stands before our paths where the client sees them; or "" */
    char id_in_path[ID_IN_PATH_SIZE]; /* what stood for the route's {id}; "": it has none */
    int64_t arrival;                  /* clock_now, when its head was complete */
    int64_t deadline;                 /* clock_now, when an edit that it asks for has to be over */
    uint64_t body_bytes;              /* received so far */
    bool body_ended;                  /* the library has said so once */
    struct reply reply;               /* status 0: none yet */
    bool may_probe;                   /* HTTP/1.1: it may be sent interim answers */
    bool suspended;                   /* the route waits: there is no reply yet */
    bool gone;                        /* the client left: nothing to send, close the connection */
    int answered;                     /* the status that was sent, 0: none yet */
    size_t reply_bytes;
    double answer_seconds;   /* from arrival to the answer */
    double stream_seconds;   /* how long what a stream of events tells of may last */
    const char *wrong_field; /* of the form that is refused; NULL: none in particular */
};

/* The request whose head has come, and its route.  NULL: no memory. */
struct request *request_create(struct server *server, struct MHD_Connection *connection,
                               const char *target, const char *method);
/* Logs it and lets it go, however it ended. */
void request_destroy(struct request *r);

bool request_is(const struct request *r, const char *method);

/* A header of the request; NULL: it has none. */
const char *request_header(const struct request *r, const char *name);

/* Its Content-Length.  False: it has none, or one that is no number. */
bool request_length(const struct request *r, uint64_t *out);

/* Sets the reply to an error. */
void request_refuse(struct request *r, enum http_error e, const char *detail);

/* For a route's end: suspends the connection until somebody resumes it. */
void request_suspend(struct request *r);

/* Notes that the reply, which is set, is being sent: for the metrics and the log. */
void request_answered(struct request *r, int status);

#endif
