/*
 * clients.h - what the HTTP library does not do for open connections.
 *
 * - It closes a silent client, but not one that sends a byte now and then for hours: here every
 * phase of a request has an end.
 * - It does not look at a suspended connection: here a client that goes away while its edit waits
 * or runs is noticed. "Away" is a reset.  The end of the client's sending half alone is none: it may
 * still wait for its answer.  An interim answer finds out, since a closed peer resets it.
 * - It cannot answer while a body is still coming, and closing a socket with unread bytes in it
 * destroys an answer on its way: here a refused connection is read on for a few seconds after its
 * answer was written.
 *
 * One thread watches all of them.  Functions may be called from any thread.
 */
#ifndef HTTP_CLIENTS_H
#define HTTP_CLIENTS_H

#include <stdbool.h>

#include "firered/status.h"
#include "http/limits.h"

struct clients;
struct client;

/* STATUS_NO_MEMORY, STATUS_IO. */
enum status clients_create(struct clients **out, const struct limits *limits, struct error *err);

/* Closes what lingers.  No client may be left.  NULL is fine. */
void clients_destroy(struct clients *all);

int clients_count(struct clients *all);

/* From a connection's start to before its socket is closed; the socket stays the library's.  NULL:
 * no memory. */
struct client *client_add(struct clients *all, int fd);
void client_remove(struct client *c); /* NULL is fine */

/* The connection is shut down, and so noticed by the library, unless another call comes in time. 0:
 * no limit. */
void client_allow(struct client *c, double seconds);

/* `probe`: nothing of an answer was sent yet, and interim ones may be (HTTP/1.1).
 * gone(arg) is called, once, from the watching thread, should the client go away before
 * client_unwatch.  When that has returned, gone is not running and will not be called.  gone must
 * not call functions of this module. */
void client_watch(struct client *c, bool probe, void (*gone)(void *arg), void *arg);
void client_unwatch(struct client *c);

/* For a connection whose first bytes were answered before the library has read them: those are
 * thrown away, and the rest as by client_linger. */
void client_refuse(struct client *c);
bool client_is_refused(const struct client *c); /* no request of it may be served */

/* Keeps the connection open beside the library, which will close its own descriptor of it: what
 * arrives is thrown away until the client closes or limits.linger_seconds have passed.  Call after
 * the answer was written. */
void client_linger(struct client *c);

#endif
