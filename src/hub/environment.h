/*
 * environment.h - the hub's options as the environment says them, in the words of the hub's own
 * tools.
 *
 *     HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
 *     ~/.cache/huggingface/hub          the cache: the first that is set; "~" and "$NAME" count
 *     HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, HF_HOME/token      the token
 *     HF_HUB_DISABLE_IMPLICIT_TOKEN     none of them
 *     HF_ENDPOINT                       the hub
 *     HF_HUB_OFFLINE, where it is not set TRANSFORMERS_OFFLINE     no network
 *     HF_HUB_DOWNLOAD_TIMEOUT           seconds
 *     HF_HUB_DISABLE_SYMLINKS           files in place of links
 *     the proxies and certificates of net/http_get.h
 *
 * A variable that is empty counts as unset; 1, ON, YES and TRUE in any case are yes.
 */
#ifndef HUB_ENVIRONMENT_H
#define HUB_ENVIRONMENT_H

#include "hub/hub.h"

/* The value of a variable, NULL where it is not set: the program's settings may stand before the
 * environment's. */
struct hub_variables {
    const char *(*get)(void *arg, const char *name); /* NULL: getenv */
    void *arg;
};

struct hub_environment {
    char *cache, *token, *endpoint, *token_file; /* what the options point to */
};

/* Fills in *options, whose texts last as long as *out, and as the environment is not changed.
 * options->cache is NULL where not even HOME is set.  STATUS_INVALID: a value is none.
 * STATUS_NO_MEMORY.  The
 * caller releases *out, also after a failure. */
enum status hub_environment_read(struct hub_environment *out, struct hub_options *options,
                                 const struct hub_variables *variables, struct error *err);
void hub_environment_free(struct hub_environment *e);

#endif
