/*
 * order.h - what is asked of an edit, and what comes of it: data that knows of no queue, no worker
 * and no connection.  As text, for another process: order_text.h.
 */
#ifndef SERVICE_ORDER_H
#define SERVICE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "firered.h"
#include "image/encode.h"
#include "service/upload_budget.h"

/* What is asked for, complete: defaults are filled in, numbers are in range (edit_rules.h).  A
 * zeroed one is empty. */
struct edit_order {
    struct buffer files[FIRERED_MAX_PICTURES]; /* as uploaded; freed once decoded */
    size_t file_count;
    struct upload_budget *budget;   /* where the files' bytes are counted; NULL: nowhere */
    uint64_t held_bytes;            /* counted there; released when the files are freed */
    char *prompt, *negative_prompt; /* UTF-8, malloc'ed */
    double guidance_scale;
    int steps;
    uint64_t seed;
    int width, height; /* 0: not asked for */
    bool input_size;   /* the result is to have the last picture's; then width is 0 */
    enum picture_format format;
    int quality; /* of encode.h; 0: the format's own */
};

/* Counts more bytes of files that the order is to hold; false, and nothing is counted, when the
 * budget has no place for them. */
bool edit_order_hold(struct edit_order *order, uint64_t bytes);

/* A second order that asks for the same, in memory of its own.  False: no memory, or no place in the
 * budget; *out is to be freed all the same. */
bool edit_order_copy(struct edit_order *out, const struct edit_order *order);

void edit_order_free_files(struct edit_order *order); /* file_count stays, for the log */
void edit_order_free(struct edit_order *order);       /* leaves it empty */

enum edit_end {
    EDIT_DONE,
    EDIT_INVALID_FILE,    /* bytes that are no supported picture */
    EDIT_INVALID_IMAGE,   /* a picture that cannot be decoded or edited */
    EDIT_INVALID_REQUEST, /* the engine refused: a prompt too long, a size it cannot do */
    EDIT_NO_MEMORY,
    EDIT_FAILED, /* anything else, a NaN included */
    EDIT_TIMED_OUT,
    EDIT_CANCELLED,
    EDIT_SHUT_DOWN,
    EDIT_ENDS /* how many there are */
};

/* The code by which metrics, log and orders' texts know it: "ok", "timeout", ... */
const char *edit_end_name(enum edit_end end);

struct edit_outcome {
    enum edit_end end;
    char detail[512];   /* for the client when it is not EDIT_DONE: no path, no address */
    struct buffer file; /* the edited picture; only of EDIT_DONE */
    int width, height;
    int steps;
    double guidance_scale;
    double change;  /* of firered_result */
    bool same_seed; /* one of the pictures was made by us, with the order's seed */
    double queue_seconds, read_seconds, encode_seconds, denoise_seconds, decode_seconds,
        write_seconds;
};

/* Sets the end and the sentence for it. */
void edit_outcome_set(struct edit_outcome *outcome, enum edit_end end, const char *detail);

/* Sets the end of an edit that was stopped (EDIT_TIMED_OUT, EDIT_CANCELLED, EDIT_SHUT_DOWN) while it
 * ran, or before. */
void edit_outcome_set_stopped(struct edit_outcome *outcome, enum edit_end end, bool ran);

#endif
