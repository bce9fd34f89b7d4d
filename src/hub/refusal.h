/*
 * refusal.h - what the hub's refusals mean, in a sentence each.
 */
#ifndef HUB_REFUSAL_H
#define HUB_REFUSAL_H

#include "hub/hub.h"
#include "hub/id.h"

struct hub_refusal {
    int status;
    char code[40];               /* X-Error-Code */
    char message[200];           /* X-Error-Message, printable */
    const char *revision, *path; /* what was asked for; NULL: not that */
};

enum status hub_refused(const struct hub_options *o, const struct hub_id *id,
                        const struct hub_refusal *r, struct error *err);

#endif
