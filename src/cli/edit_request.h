/*
 * edit_request.h - what `firered edit` was asked for, from its flags.
 */
#ifndef CLI_EDIT_REQUEST_H
#define CLI_EDIT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/args.h"
#include "firered.h"
#include "image/format.h"

enum { EDIT_COUNT_MAX = 1000 }; /* pictures of one call */

/* Strings that are not malloc'ed are in argv. */
struct edit_request {
    const char *inputs[FIRERED_MAX_PICTURES]; /* files, "-" for standard input */
    size_t input_count;
    const char *prompt;
    const char *negative_prompt; /* NULL: not said; an empty one is a prompt too */
    const char *server;          /* a URL, or NULL: here */
    enum picture_format format;
    int steps;             /* 0: not said */
    double guidance_scale; /* negative: not said */
    int width, height;     /* 0: not said */
    bool input_size;
    bool force, json, verbose;
    bool pull; /* a model that is not here is fetched first */

    /* One picture for each seed; malloc'ed.  outputs[i] is a file, "-" for standard output. */
    uint64_t *seeds;
    char **outputs;
    size_t count;
};

/* Reads and checks all flags, no file.  Without --output the name is the last picture's, which is
 * the one that the result is shaped like, with "-edited.png" in place of its extension and in its
 * folder, or in the one that --output names; standard output where that picture comes from a pipe.
 * Of several pictures the names are numbered: out-1.png, out-2.png.
 *
 * STATUS_INVALID: the sentence names the flag.  STATUS_NO_MEMORY, STATUS_INTERNAL (no random
 * numbers).  The caller releases *out, also when it fails. */
enum status edit_request_read(struct edit_request *out, const struct args *args, struct error *err);
void edit_request_free(struct edit_request *r); /* leaves it empty */

bool edit_request_to_stdout(const struct edit_request *r);

#endif
