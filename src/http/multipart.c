/*
 * A state machine that eats bytes.  In a part's data it looks for "\r\n--BOUNDARY": since a
 * boundary has no '\r' in it, a match that breaks off cannot have begun anywhere but at its first
 * byte, so the bytes matched so far are data, and the search starts anew at the byte that broke it.
 * No byte is looked at twice, and none is kept.
 *
 * The body is treated as if a CRLF stood before it, so that its first boundary is found like the
 * others.
 */
#include "http/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "http/limits.h"
#include "http/params.h"

enum state {
    IN_PREAMBLE,       /* before the first boundary */
    AFTER_BOUNDARY,    /* padding, then CRLF or "--" */
    AFTER_BOUNDARY_CR, /* LF must come */
    AFTER_BOUNDARY_DASH,
    IN_HEADERS,
    IN_DATA,
    IN_EPILOGUE,
    FAILED
};

struct multipart {
    struct multipart_handler handler;
    enum state state;
    char delimiter[MULTIPART_MAX_BOUNDARY + 5]; /* "\r\n--BOUNDARY" */
    size_t delimiter_size;
    size_t matched; /* of the delimiter, in IN_PREAMBLE and IN_DATA */
    int parts;
    struct buffer headers; /* of the part, with its CRLFs */
    struct error failure;
    enum status why;
};

static bool is_boundary(const char *s) {
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
    size_t n = strlen(s);
    return n > 0 && n <= MULTIPART_MAX_BOUNDARY && strspn(s, allowed) == n && s[n - 1] != ' ';
}

enum status multipart_boundary(char out[MULTIPART_MAX_BOUNDARY + 1], const char *content_type,
                               struct error *err) {
    static const char type[] = "multipart/form-data";
    size_t n = sizeof type - 1;
    if (!content_type || strncasecmp(content_type, type, n) != 0 ||
        (content_type[n] && !strchr("; \t", content_type[n])))
        return fail(err, STATUS_UNSUPPORTED, "the body must be multipart/form-data");
    char value[PARAMS_MAX_VALUE + 1];
    switch (params_get(content_type + n, "boundary", value, sizeof value)) {
    case PARAMS_FOUND: break;
    case PARAMS_MISSING:
        return fail(err, STATUS_INVALID, "the Content-Type has no boundary parameter");
    default: return fail(err, STATUS_INVALID, "the Content-Type's parameters are malformed");
    }
    if (!is_boundary(value))
        return fail(
            err, STATUS_INVALID,
            "the multipart boundary must be 1 to 70 of the characters that RFC 2046 allows");
    memcpy(out, value, strlen(value) + 1);
    return STATUS_OK;
}

enum status multipart_create(struct multipart **out, const char *boundary,
                             const struct multipart_handler *handler, struct error *err) {
    *out = NULL;
    struct multipart *m = calloc(1, sizeof *m);
    if (!m) return fail(err, STATUS_NO_MEMORY, "no memory to read the form");
    m->handler = *handler;
    m->delimiter_size = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
    m->matched = 2;
    *out = m;
    return STATUS_OK;
}

void multipart_destroy(struct multipart *m) {
    if (!m) return;
    buffer_free(&m->headers);
    free(m);
}

/* One header line without its CRLF.  *seen counts Content-Dispositions. */
static enum status read_header(char *line, char *name, char *filename, bool *has_filename,
                               int *seen, struct error *err) {
    char *colon = strchr(line, ':');
    size_t token = strspn(line, PARAMS_TOKEN);
    if (!colon || token == 0 || line + token != colon)
        return fail(err, STATUS_INVALID, "malformed multipart: a part's header has no name");
    *colon = '\0';
    char *value = colon + 1;
    value += strspn(value, " \t");
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0) {
        if (strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 &&
            strcasecmp(value, "7bit") != 0)
            return fail(err, STATUS_INVALID,
                        "a part's Content-Transfer-Encoding must be binary, 8bit or 7bit");
        return STATUS_OK;
    }
    if (strcasecmp(line, "Content-Disposition") != 0) return STATUS_OK;
    if ((*seen)++)
        return fail(err, STATUS_INVALID,
                    "malformed multipart: a part has two Content-Dispositions");
    size_t n = strcspn(value, "; \t");
    if (n != 9 || strncasecmp(value, "form-data", 9) != 0)
        return fail(err, STATUS_INVALID,
                    "malformed multipart: a part's Content-Disposition is not form-data");
    if (params_get(value + n, "name", name, MAX_PART_NAME_BYTES + 1) != PARAMS_FOUND || !*name)
        return fail(err, STATUS_INVALID,
                    "malformed multipart: a part has no name, or one over %d bytes",
                    MAX_PART_NAME_BYTES);
    enum params_answer a = params_get(value + n, "filename", filename, PARAMS_MAX_VALUE + 1);
    if (a != PARAMS_FOUND && a != PARAMS_MISSING)
        return fail(err, STATUS_INVALID,
                    "malformed multipart: a part's file name is malformed or too long");
    *has_filename = a == PARAMS_FOUND;
    return STATUS_OK;
}

/* m->headers has all of a part's headers, the blank line included. */
static enum status begin_part(struct multipart *m, struct error *err) {
    char name[MAX_PART_NAME_BYTES + 1] = "", filename[PARAMS_MAX_VALUE + 1] = "";
    bool has_filename = false;
    int seen = 0;
    if (++m->parts > MAX_PARTS)
        return fail(err, STATUS_INVALID, "the form has more than %d parts", MAX_PARTS);
    for (char *line = m->headers.data; strcmp(line, "\r\n") != 0;) {
        char *end = strstr(line, "\r\n");
        *end = '\0';
        if (strpbrk(line, "\r\n"))
            return fail(err, STATUS_INVALID, "malformed multipart: lines must end in CRLF");
        enum status s = read_header(line, name, filename, &has_filename, &seen, err);
        if (s != STATUS_OK) return s;
        line = end + 2;
    }
    if (!seen)
        return fail(err, STATUS_INVALID, "malformed multipart: a part has no Content-Disposition");
    m->headers.size = 0;
    struct multipart_part part = {.name = name, .filename = has_filename ? filename : NULL};
    return m->handler.begin(m->handler.arg, &part, err);
}

static bool ends_headers(const struct buffer *h) {
    return (h->size == 2 && memcmp(h->data, "\r\n", 2) == 0) ||
           (h->size >= 4 && memcmp(h->data + h->size - 4, "\r\n\r\n", 4) == 0);
}

/* Takes bytes up to the blank line; *used says how many. */
static enum status eat_headers(struct multipart *m, const char *bytes, size_t size, size_t *used,
                               struct error *err) {
    for (*used = 0; *used < size;) {
        const char *from = bytes + *used;
        const char *newline = memchr(from, '\n', size - *used);
        size_t n = newline ? (size_t)(newline - from) + 1 : size - *used;
        if (memchr(from, '\0', n))
            return fail(err, STATUS_INVALID, "malformed multipart: a NUL in a part's headers");
        if (n > MAX_PART_HEADER_BYTES - m->headers.size)
            return fail(err, STATUS_INVALID,
                        "malformed multipart: a part's headers are over %d bytes",
                        MAX_PART_HEADER_BYTES);
        enum status s = buffer_append(&m->headers, from, n, err);
        if (s != STATUS_OK) return s;
        *used += n;
        if (!newline || !ends_headers(&m->headers)) continue;
        m->state = IN_DATA;
        m->matched = 0;
        return begin_part(m, err);
    }
    return STATUS_OK;
}

/* What stands before the first boundary (RFC 2046 5.1.1) is nobody's. */
static enum status hand_on(struct multipart *m, const char *bytes, size_t size, struct error *err) {
    return size && m->state == IN_DATA ? m->handler.data(m->handler.arg, bytes, size, err)
                                       : STATUS_OK;
}

/* Takes bytes up to the end of the next boundary; *used says how many. */
static enum status eat_data(struct multipart *m, const char *bytes, size_t size, size_t *used,
                            struct error *err) {
    enum status s = STATUS_OK;
    size_t at = 0;
    while (at < size && s == STATUS_OK) {
        if (m->matched == 0) {
            const char *cr = memchr(bytes + at, '\r', size - at);
            size_t n = cr ? (size_t)(cr - bytes) - at : size - at;
            s = hand_on(m, bytes + at, n, err);
            at += n;
            if (cr) m->matched = 1, at++;
        } else if (bytes[at] == m->delimiter[m->matched]) {
            at++;
            if (++m->matched < m->delimiter_size) continue;
            if (m->state == IN_DATA) s = m->handler.end(m->handler.arg, err);
            m->state = AFTER_BOUNDARY;
            m->matched = 0;
            break;
        } else {
            s = hand_on(m, m->delimiter, m->matched, err);
            m->matched = 0;
        }
    }
    *used = at;
    return s;
}

static enum status eat_after_boundary(struct multipart *m, char c, struct error *err) {
    if (m->state == AFTER_BOUNDARY && (c == ' ' || c == '\t')) return STATUS_OK;
    if (m->state == AFTER_BOUNDARY && c == '\r')
        m->state = AFTER_BOUNDARY_CR;
    else if (m->state == AFTER_BOUNDARY && c == '-')
        m->state = AFTER_BOUNDARY_DASH;
    else if (m->state == AFTER_BOUNDARY_CR && c == '\n')
        m->state = IN_HEADERS, m->headers.size = 0;
    else if (m->state == AFTER_BOUNDARY_DASH && c == '-')
        m->state = IN_EPILOGUE;
    else
        return fail(err, STATUS_INVALID,
                    "malformed multipart: something stands between a boundary and its line's end");
    return STATUS_OK;
}

static enum status eat(struct multipart *m, const char *bytes, size_t size, size_t *used,
                       struct error *err) {
    *used = 1;
    switch (m->state) {
    case AFTER_BOUNDARY:
    case AFTER_BOUNDARY_CR:
    case AFTER_BOUNDARY_DASH: return eat_after_boundary(m, *bytes, err);
    case IN_HEADERS: return eat_headers(m, bytes, size, used, err);
    case IN_PREAMBLE:
    case IN_DATA: return eat_data(m, bytes, size, used, err);
    default: *used = size; return STATUS_OK;
    }
}

static enum status stay_failed(struct multipart *m, struct error *err) {
    if (err) *err = m->failure;
    return m->why;
}

enum status multipart_feed(struct multipart *m, const char *bytes, size_t size, struct error *err) {
    while (size > 0 && m->state != FAILED) {
        size_t used;
        enum status s = eat(m, bytes, size, &used, &m->failure);
        if (s != STATUS_OK) {
            m->state = FAILED;
            m->why = s;
            break;
        }
        bytes += used;
        size -= used;
    }
    return m->state == FAILED ? stay_failed(m, err) : STATUS_OK;
}

enum status multipart_finish(struct multipart *m, struct error *err) {
    if (m->state == FAILED) return stay_failed(m, err);
    if (m->state == IN_PREAMBLE)
        return fail(
            err, STATUS_INVALID,
            "malformed multipart: the boundary that Content-Type names is nowhere in the body");
    if (m->state != IN_EPILOGUE)
        return fail(err, STATUS_INVALID,
                    "malformed multipart: the body ends before its closing boundary");
    return STATUS_OK;
}
