/*
 * output.h - the edited picture's file: either all of it or nothing.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "firered/status.h"
#include "image/format.h"

/* Tells the format from the name's extension.  STATUS_INVALID: it has none that we write. */
enum status output_format(enum picture_format *out, const char *path, struct error *err);

/* Whether it means a folder to write into: it ends in a slash, or is one and not called like a
 * picture. */
bool output_is_folder(const char *path);

/* Checks before the work what can be checked: that the folder is there and may be written, that
 * `path` is no folder and, without `force`, no file that has anything in it.  STATUS_IO says what is
 * in the way. */
enum status output_check(const char *path, bool force, struct error *err);

/* Writes a temporary file in the same folder, syncs it to the disk and gives it the name, so that
 * a reader sees either the old file or the whole new one.  A symbolic link is followed; a device,
 * a pipe or standard output ("-") is written directly.  Without `force` a file that appeared since
 * output_check stays as it is.  STATUS_IO: the reason as the system tells it; the temporary file is
 * gone.  STATUS_NO_MEMORY. */
enum status output_write(const char *path, const void *bytes, size_t size, bool force,
                         struct error *err);

#endif
