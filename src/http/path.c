#include "http/path.h"

#include <string.h>

bool path_matches(const char *pattern, const char *path, char id[ID_IN_PATH_ROOM]) {
    static const char mark[] = "{id}";
    const char *at = strstr(pattern, mark);
    if (!at) return strcmp(pattern, path) == 0;
    size_t before = (size_t)(at - pattern);
    if (strncmp(pattern, path, before) != 0) return false;
    path += before;
    size_t n = strcspn(path, "/");
    if (n == 0 || n >= ID_IN_PATH_ROOM || strcmp(at + sizeof mark - 1, path + n) != 0) return false;
    memcpy(id, path, n);
    id[n] = '\0';
    return true;
}
