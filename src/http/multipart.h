/*
 * multipart.h - multipart/form-data (RFC 7578 over RFC 2046), parsed as it arrives, strictly, in
 * bounded memory.
 *
 * The parser keeps no more than the headers of one part (8 kB); what is in a part is handed on at
 * once, in pieces cut wherever the network cut them.  It forgives nothing that browsers, curl and
 * the usual libraries do not do: lines end in CRLF, every part has exactly one Content-Disposition:
 * form-data with a name.  Bytes before the first boundary and after the closing one are ignored.
 *
 *     struct multipart *m;
 *     char boundary[MULTIPART_MAX_BOUNDARY + 1];
 *     multipart_boundary(boundary, "multipart/form-data; boundary=x", &err)
 *     multipart_create(&m, boundary, &handler, &err)
 *     multipart_feed(m, bytes, n, &err) ... until the body ends
 *     multipart_finish(m, &err)
 *     multipart_destroy(m)
 *
 * After an error the parser stays in it: every further call fails the same way.  Not for two
 * threads at once.
 */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "firered/status.h"

enum { MULTIPART_MAX_BOUNDARY = 70 };

struct multipart;

struct multipart_part {
    const char *name;     /* not empty, no control characters, at most 128 bytes */
    const char *filename; /* NULL: the part has none; "" is what a browser sends for a file input
                             left empty */
};

/* What to do with parts.  An error that one of them returns ends the parsing and comes back from
 * multipart_feed. */
struct multipart_handler {
    enum status (*begin)(void *arg, const struct multipart_part *part, struct error *err);
    enum status (*data)(void *arg, const char *bytes, size_t size, struct error *err);
    enum status (*end)(void *arg, struct error *err);
    void *arg;
};

/* The boundary parameter of a Content-Type.  STATUS_UNSUPPORTED: not multipart/form-data, or NULL.
 * STATUS_INVALID: no boundary, or one that RFC 2046 does not allow. */
enum status multipart_boundary(char out[MULTIPART_MAX_BOUNDARY + 1], const char *content_type,
                               struct error *err);

/* STATUS_NO_MEMORY. */
enum status multipart_create(struct multipart **out, const char *boundary,
                             const struct multipart_handler *handler, struct error *err);
void multipart_destroy(struct multipart *m); /* NULL is fine */

/* STATUS_INVALID: malformed; err says how.  Else the handler's errors. */
enum status multipart_feed(struct multipart *m, const char *bytes, size_t size, struct error *err);

/* The body has ended.  STATUS_INVALID: it was cut off before its closing boundary. */
enum status multipart_finish(struct multipart *m, struct error *err);

#endif
