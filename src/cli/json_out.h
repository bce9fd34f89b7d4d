/*
 * json_out.h - what --json writes: a JSON value on one line of standard output.
 */
#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include <jansson.h>

#include "firered/status.h"

/* Releases `root`; NULL is one that could not be made.  STATUS_NO_MEMORY, STATUS_IO. */
enum status json_out(json_t *root, struct error *err);

/* A text that is known to be JSON, as it is. */
enum status json_out_text(const char *text, struct error *err);

#endif
