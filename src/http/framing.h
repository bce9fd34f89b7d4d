/*
 * framing.h - whether a request's head says one thing only.  Where two programs could read it
 * differently (a proxy in front of this server and the server), a part of one request becomes
 * another; such a head is refused, and its connection closed.
 *
 * Every head is judged header by header, as the library hands them over.  The first head of a
 * connection, or what of it came in its first piece, is judged byte by byte before that: the library
 * takes some heads that it should not, hides some bytes, and answers others in words of its own.
 */
#ifndef HTTP_FRAMING_H
#define HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "http/reply.h"

/* Zeroed, it is at the head's beginning. */
struct framing {
    bool old; /* HTTP/1.0: may lack a Host, and has no chunks */
    int lengths, codings, hosts;
    const char *wrong; /* a sentence about what came so far; NULL: nothing */
};

/* A header; the value may have blanks around it. */
void framing_header(struct framing *f, const char *name, size_t name_size, const char *value,
                    size_t value_size);

/* Behind the last: what is wrong; NULL: nothing. */
const char *framing_wrong(const struct framing *f);

/* What a connection begins with; of a head that is not complete, the lines that are.  A head has at
 * most max_size bytes.  False: *code and *detail say why it is refused. */
bool framing_look(const char *bytes, size_t size, size_t max_size, enum http_error *code,
                  const char **detail);

#endif
