#include "http/path.h"

#include <string.h>

bool path_matches(const char *pattern, const char *path, char id[ID_IN_PATH_ROOM]) {
    size_t before = strcspn(pattern, "{");
    if (!pattern[before]) return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, before) != 0) return false;
    bool rest = pattern[before + 1] == 'r';
    const char *behind = strchr(pattern + before, '}') + 1;
    path += before;
    size_t n = strcspn(path, rest ? "" : "/");
    if (n == 0 || n >= ID_IN_PATH_ROOM || strcmp(behind, path + n) != 0) return false;
    memcpy(id, path, n);
    id[n] = '\0';
    return true;
}
