/*
 * request.h - one request under way, and the server that it came to: what the files of this room
 * share.
 *
 * A request lives from its head (routes.c) to the library's word that it is over.  All of it
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
#include "http/request_id.h"
#include "service/service.h"

struct server {
    const struct config *config;
    const struct log *log;
    struct limits limits;
    struct service *service;
    struct clients *clients;
    struct event_streams *streams;
    struct MHD_Daemon *daemon;
    atomic_int requests; /* under way */
    time_t started;
};

struct route;
enum { ID_IN_PATH_ROOM = 256 };
struct edit_request;
struct image_edits;

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    struct client *client;
    const struct route *route;
    char id[REQUEST_ID_MOST + 1];
    char method[16], path[128];       /* for the log: cut, not cleaned */
    char id_in_path[ID_IN_PATH_ROOM]; /* what stood for the route's {id}; "": it has none */
    int64_t arrival;                  /* clock_now, when its head was complete */
    uint64_t body_bytes;              /* received so far */
    struct reply reply;               /* status 0: none yet */
    bool gone;                        /* the client left: nothing to send, close the connection */
    int answered;                     /* the status that was sent, 0: none yet */
    size_t reply_bytes;
    double answer_seconds;      /* from arrival to the answer */
    struct edit_request *edit;  /* a POST of an edit only */
    struct image_edits *images; /* POST /v1/images/edits only */
    const char *wrong_field;    /* of the form that is refused; NULL: none in particular */
};

/* A header of the request; NULL: it has none. */
const char *request_header(const struct request *r, const char *name);

/* Sets the reply to an error. */
void request_refuse(struct request *r, enum http_error e, const char *detail);

#endif
