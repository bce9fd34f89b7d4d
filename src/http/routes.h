/*
 * routes.h - the table of routes: which request is answered by what.
 *
 * A row is a method on a path and the functions that take a request through its life.  They are
 * called in this order, all from the library's thread, and each may be NULL:
 *
 *     begin   the head is there, and the request may: what can be refused now is refused now
 *     body    some of the body, as often as some comes; without it a body is ignored
 *     end     the body is over: answers, or calls request_suspend, and is called again whenever the
 *             connection is resumed, until the reply is set
 *     log     what the request's log line says beyond what all say
 *     free    the request is over, however it ended: lets go of request.state
 *
 * begin, body and end may set the reply (an error, mostly); the ones after it are not called then,
 * but for log and free, which are called where request.state is set.  A new route is a new row, whatever its method and its body are.
 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/request.h"

struct route {
    const char *method; /* "GET" takes HEAD too; NULL: none */
    const char *path;   /* "{id}" and "{rest}" as in path_matches */
    bool open;          /* needs no key */
    bool probe;         /* may be called by any name: ALLOWED_HOSTS does not count */
    bool openai;        /* errors are in OpenAI's shape */
    void (*begin)(struct request *r);
    void (*body)(struct request *r, const char *bytes, size_t size);
    void (*end)(struct request *r);
    /* Returns how many fields, at most ROUTE_MAX_LOG_FIELDS. */
    int (*log)(const struct request *r, struct log_field *fields);
    void (*free)(struct request *r);
};

enum { ROUTE_MAX_LOG_FIELDS = 24, ROUTE_ALLOW_SIZE = 64 };

/* What every unknown path counts as: a client must not be able to add names to the metrics. */
extern const struct route route_unknown;

/* The row for a method on a path; where the path's rows have other methods, one of them; where there
 * are none, &route_unknown.  `more` are rows beside the table's, up to one whose path is NULL; NULL:
 * none.  What stood for {id} or {rest} is written to `id`, which is empty without one. */
const struct route *route_find(const struct route *more, const char *method, const char *path,
                               char id[ID_IN_PATH_SIZE]);

/* The path that was meant by one that has none, but for a doubled slash, one at its end, or a
 * segment that comes twice in a row; NULL: none. */
const char *route_meant(const struct route *more, const char *path);

bool route_takes(const struct route *route, const char *method);

/* Writes the Allow header of a route's path: the methods of all of its rows, and OPTIONS. */
void route_allow(const struct route *more, const struct route *route, char out[ROUTE_ALLOW_SIZE]);

/* In `pattern` one "{id}" may stand for one segment: 1 to ID_IN_PATH_SIZE - 1 bytes that are no '/',
 * which are written to `id`; "{rest}" stands likewise for all that follows, whatever it is.  A
 * pattern without them leaves `id` alone. */
bool path_matches(const char *pattern, const char *path, char id[ID_IN_PATH_SIZE]);

#endif
