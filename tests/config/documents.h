/*
 * documents.h - checked-in files that are generated, whole or between two markers, from a table.
 *
 * FIRERED_UPDATE=1 in the environment rewrites them instead of comparing.
 */
#ifndef TESTS_CONFIG_DOCUMENTS_H
#define TESTS_CONFIG_DOCUMENTS_H

#include "base/buffer.h"

/* `table` and `program` are for the message: what is to be changed, and what rewrites the file. */
struct document {
    const char *path, *table, *program;
};

/* Reads the file; an absent one is empty where it is to be rewritten. */
void document_read(const struct document *d, struct buffer *out);

/* Compares what the file has with what it should have, or rewrites it. */
void document_check(const struct document *d, const char *old, const char *new);

/* What stands between two markers of a file is what `write` writes. */
void document_check_between(const struct document *d, const char *begin, const char *end,
                            enum status (*write)(struct buffer *out));

#endif
