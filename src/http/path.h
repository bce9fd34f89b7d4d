/*
 * path.h - whether a request's path is a route's.
 */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <stdbool.h>

#include "http/request.h"

/* `pattern` is a path in which one "{id}" may stand for one segment: 1 to ID_IN_PATH_ROOM - 1 bytes
 * that are no '/', which are written to `id`; "{rest}" stands likewise for all that follows, whatever
 * it is.  A pattern without them leaves `id` alone. */
bool path_matches(const char *pattern, const char *path, char id[ID_IN_PATH_ROOM]);

#endif
