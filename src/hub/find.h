/*
 * find.h - where a model's folder is on this machine.
 *
 * A model is named by a folder, by "demo" (the small bundled one), or by its id on the hub, whose
 * cache (cache.h) is shared with every other program that uses it.
 *
 * Nothing here goes to the network.
 */
#ifndef HUB_FIND_H
#define HUB_FIND_H

#include "hub/hub.h"

/* Sets *folder to the model's folder, to be freed by the caller; NULL after a failure.  In this
 * order, `model_id` is
 *
 *     "demo"             the bundled model, see hub_find_demo (a folder of that name is "./demo");
 *                        in other letters, "Demo", where no folder is called so
 *     a folder           which is taken as it is
 *     ORG/NAME[@REV]     a snapshot in the cache; REV is a commit, a branch, a tag or refs/pr/N,
 *                        "main" when it is left out
 *
 * STATUS_INVALID: it is none of them, the id's form is wrong, or the model is not on this machine;
 * the sentence says how to get it.  STATUS_IO: the cache is there but cannot be read.
 * STATUS_NO_MEMORY. */
enum status hub_find_model(char **folder, const char *model_id, const struct hub_options *o,
                           struct error *err);

/* Sets *path to a file's: to `name` itself, where it is a file or has not the form
 * ORG/NAME/FILE[@REV], else to the file in the cache.  STATUS_INVALID: it is not there; the sentence
 * says how to get it; or it is a URL.  STATUS_NO_MEMORY.  The caller frees *path. */
enum status hub_find_file(char **path, const char *name, const struct hub_options *o,
                          struct error *err);

/* The bundled model, as seen from the executable `program` (NULL: the running one): in the
 * installation (bin/firered -> share/firered/models/demo), in the source tree
 * (build/release/firered -> models/demo), and at last models/demo in the working directory.  It is
 * where model_index.json is.  *folder is the caller's to free. STATUS_INVALID: in none of them.
 * STATUS_NO_MEMORY. */
enum status hub_find_demo(char **folder, const char *program, struct error *err);

#endif
