/*
 * The codes are the hub's X-Error-Code; a hub that sends none, as some mirrors do, is understood by
 * its status.
 */
#include "hub/refusal.h"

#include <stdio.h>
#include <string.h>

static bool says(const struct hub_refusal *r, const char *code) {
    return strcmp(r->code, code) == 0;
}

/* "with the token of HF_TOKEN", or what to do about there being none. */
static const char *about_token(const struct hub_options *o, char out[160]) {
    if (o->token)
        snprintf(out, 160, "the token of %.120s does not open it", o->token_source);
    else
        snprintf(out, 160, "no token was sent: set HF_TOKEN");
    return out;
}

enum status hub_refused(const struct hub_options *o, const struct hub_id *id,
                        const struct hub_refusal *r, struct error *err) {
    char token[160], name[256];
    snprintf(name, sizeof name, "%s/%s", id->org, id->name);
    if (says(r, "GatedRepo"))
        return fail(
            err, STATUS_INVALID,
            "%s is gated: accept its terms at %s/%s, then pull with a token of the same user (%s)",
            name, o->endpoint, name, about_token(o, token));
    if (says(r, "RevisionNotFound"))
        return fail(err, STATUS_INVALID, "%s has no revision \"%s\"", name,
                    r->revision ? r->revision : id->revision);
    if (says(r, "EntryNotFound"))
        return fail(err, STATUS_INVALID, "%s has no file %s at %s", name,
                    r->path ? r->path : "of this name", r->revision ? r->revision : id->revision);
    if (says(r, "RepoNotFound"))
        return fail(err, STATUS_INVALID, "no model %s at %s, or it is private (%s)", name,
                    o->endpoint, about_token(o, token));
    if (r->status == 401 && o->token)
        return fail(err, STATUS_INVALID,
                    "the hub does not take the token of %s%s: make a new one at %s/settings/tokens "
                    "(it says: %s)",
                    o->token_source, strstr(r->message, "xpired") ? ", it has expired" : "",
                    o->endpoint, *r->message ? r->message : "401");
    if (r->status == 401 || r->status == 404)
        return fail(err, STATUS_INVALID, "no model %s at %s, or it is private (status %d; %s)",
                    name, o->endpoint, r->status, about_token(o, token));
    return fail(err, STATUS_IO, "%s refuses %s with status %d%s%s", o->endpoint, name, r->status,
                *r->message ? ": " : "", r->message);
}
