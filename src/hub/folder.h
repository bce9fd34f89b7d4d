/*
 * folder.h - every file below a folder, and the folder's end.
 */
#ifndef HUB_FOLDER_H
#define HUB_FOLDER_H

#include "firered/status.h"

/* Calls `each` for all that is no folder, links included and not followed; `below` is the path from
 * the folder on.  A folder that is not there has nothing.  STATUS_IO, and what `each` returns. */
enum status hub_folder_walk(const char *folder,
                            enum status (*each)(void *arg, const char *path, const char *below,
                                                struct error *err),
                            void *arg, struct error *err);

/* Deletes it with all that is in it; links are not followed.  STATUS_IO. */
enum status hub_folder_delete(const char *folder, struct error *err);

#endif
