/*
 * One block of memory that at least doubles when it grows, so that appending n bytes one by one
 * costs O(n).  A file is read to its end rather than to the size that the system reports: it may
 * change meanwhile.
 */
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status reserve(struct buffer *b, size_t more, struct error *err) {
    if (more >= SIZE_MAX / 2 - b->size)
        return fail(err, STATUS_NO_MEMORY, "no memory for %zu more bytes", more);
    size_t need = b->size + more + 1;
    if (need <= b->capacity) return STATUS_OK;
    size_t capacity = need < b->capacity * 2 ? b->capacity * 2 : need;
    char *data = realloc(b->data, capacity);
    if (!data) return fail(err, STATUS_NO_MEMORY, "no memory for a buffer of %zu bytes", capacity);
    b->data = data;
    b->capacity = capacity;
    return STATUS_OK;
}

enum status buffer_append(struct buffer *b, const void *bytes, size_t n, struct error *err) {
    enum status s = reserve(b, n, err);
    if (s != STATUS_OK) return s;
    if (n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = '\0';
    return STATUS_OK;
}

enum status buffer_printf(struct buffer *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) return STATUS_INTERNAL;
    enum status s = reserve(b, (size_t)n, NULL);
    if (s != STATUS_OK) return s;
    va_start(args, format);
    vsnprintf(b->data + b->size, (size_t)n + 1, format, args);
    va_end(args);
    b->size += (size_t)n;
    return STATUS_OK;
}

void buffer_free(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){0};
}

/* A terminal is one, too: what is typed there. */
static bool is_pipe(int fd, const struct stat *st) {
    return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) || isatty(fd);
}

/* Takes fd. */
static enum status read_all(struct buffer *b, int fd, const char *path, bool may_be_pipe,
                            size_t limit, struct error *err) {
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!f) {
        enum status s = fail(err, STATUS_IO, "cannot open %s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return s;
    }
    enum status s = STATUS_OK;
    struct stat st;
    if (fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || (may_be_pipe && is_pipe(fd, &st))))
        s = fail(err, STATUS_INVALID, "%s is not a regular file", path);
    else if ((uintmax_t)st.st_size > limit)
        s = fail(err, STATUS_INVALID, "%s is larger than the %zu bytes allowed for it", path,
                 limit);
    while (s == STATUS_OK) {
        char chunk[65536];
        size_t got = fread(chunk, 1, sizeof chunk, f);
        if (got == 0) {
            if (ferror(f)) s = fail(err, STATUS_IO, "cannot read %s: %s", path, strerror(errno));
            break;
        }
        if (got > limit - b->size)
            s = fail(err, STATUS_INVALID, "%s is larger than the %zu bytes allowed for it", path,
                     limit);
        else
            s = buffer_append(b, chunk, got, err);
    }
    fclose(f);
    if (s != STATUS_OK) buffer_free(b);
    return s;
}

enum status buffer_read_file(struct buffer *b, const char *path, size_t limit, struct error *err) {
    /* Without O_NONBLOCK a named pipe would wait for its writer. */
    return read_all(b, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path, false, limit, err);
}

enum status buffer_read_input(struct buffer *b, const char *path, size_t limit, struct error *err) {
    return read_all(b, open(path, O_RDONLY | O_CLOEXEC), path, true, limit, err);
}
