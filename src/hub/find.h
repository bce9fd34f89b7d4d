/*
 * hub.h - where a model's folder is on this machine.
 *
 * A model is named by a folder, by "demo" (the small bundled one), or by its id on the Hugging Face
 * hub, whose local cache is shared with every other program that uses it:
 *
 *     CACHE/models--ORG--NAME/refs/main               the commit that "main" was when fetched
 *     CACHE/models--ORG--NAME/snapshots/COMMIT/...    the files
 *
 * Nothing here goes to the network, and nothing reads the environment.
 */
#ifndef WEIGHTS_HUB_H
#define WEIGHTS_HUB_H

#include "firered/status.h"

/* What decides where the cache is.  NULL and "" are unset; a leading "~/" stands for HOME. */
struct hub_options {
    const char *hf_hub_cache;   /* HF_HUB_CACHE: the cache itself */
    const char *hf_home;        /* HF_HOME: it is in hub/ */
    const char *xdg_cache_home; /* XDG_CACHE_HOME: in huggingface/hub/ */
    const char *home;           /* HOME: in .cache/huggingface/hub/ */
};

/* Sets *folder to the model's folder, to be freed by the caller; NULL after a failure.  In this
 * order, `model_id` is
 *
 *     "demo"             the bundled model, see hub_find_demo (a folder of that name is "./demo")
 *     a folder           which is taken as it is
 *     ORG/NAME[@REV]     a snapshot in the cache; REV is a commit, a branch or a tag, "main" when it
 *                        is left out
 *
 * STATUS_INVALID: it is none of them, the id's form is wrong, or the model is not on this machine;
 * the sentence says where its files belong.  STATUS_IO: the cache is there but cannot be read.
 * STATUS_NO_MEMORY. */
enum status hub_resolve(char **folder, const char *model_id, const struct hub_options *options,
                        struct error *err);

/* The cache, by the first of the options that is set; it need not exist.  *folder is the caller's to
 * free.  STATUS_INVALID: none is set.  STATUS_NO_MEMORY. */
enum status hub_cache_folder(char **folder, const struct hub_options *options, struct error *err);

/* The bundled model, as seen from the executable `program` (NULL: the running one): in the
 * installation (bin/firered -> share/firered/models/demo), in the source tree
 * (build/release/firered -> models/demo), and at last models/demo in the working directory.  It is
 * where model_index.json is.  *folder is the caller's to free. STATUS_INVALID: in none of them.
 * STATUS_NO_MEMORY. */
enum status hub_find_demo(char **folder, const char *program, struct error *err);

#endif
