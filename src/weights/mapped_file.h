/*
 * mapped_file.h - a file of a model in memory, which others may change while we read it.
 *
 *     struct mapped_file *f;
 *     enum status s = mapped_file_open(&f, path, &err);
 *     ... read f->data[0 .. f->size) from any thread ...
 *     s = mapped_file_check(f, &err);    // whether what was read was still the file
 *     mapped_file_close(f);
 *
 * A page that is gone, since the file was shortened or its disk fails, reads as zeros instead of
 * ending the process; a file that was written to shows other bytes.  Neither is seen while reading,
 * so whoever has read asks mapped_file_check before he uses what he got.  A file that was replaced
 * by rename, or deleted, stays as it was for us.
 *
 * An open takes SIGBUS over for the process; one that is not about a mapped file goes to whoever had
 * it before.  No thread that reads may block SIGBUS.
 */
#ifndef WEIGHTS_MAPPED_FILE_H
#define WEIGHTS_MAPPED_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "firered/status.h"

struct guarded_range;

struct mapped_file {
    const uint8_t *data;
    size_t size; /* at least 1 */
    /* private */
    char *path;
    int fd;
    struct timespec modified; /* when it was opened */
    struct guarded_range *range;
};

/* STATUS_IO: it cannot be opened or mapped.  STATUS_INVALID: no regular file, or empty.
 * STATUS_NO_MEMORY.  The sentences name the path. */
enum status mapped_file_open(struct mapped_file **out, const char *path, struct error *err);

/* STATUS_IO, with the path: since the open the file was written to, shortened, or could not be
 * read.  May be called by any thread; costs one call of the system. */
enum status mapped_file_check(const struct mapped_file *f, struct error *err);

void mapped_file_close(struct mapped_file *f); /* NULL is fine */

#endif
