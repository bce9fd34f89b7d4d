/*
 * jansson writes to the stream itself; that it arrived is only known once the stream is flushed.
 */
#include "cli/json_out.h"

#include <stdio.h>

enum status json_out(json_t *root, struct error *err) {
    if (!root) return fail(err, STATUS_NO_MEMORY, "no memory for the report");
    int written = json_dumpf(root, stdout, JSON_REAL_PRECISION(9));
    json_decref(root);
    if (written != 0 || putchar('\n') == EOF || fflush(stdout) != 0)
        return fail(err, STATUS_IO, "cannot write the report");
    return STATUS_OK;
}
