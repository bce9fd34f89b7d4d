/*
 * The hub's answer about a revision, and ids as people type them: any bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"
#include "hub/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char commit[HUB_COMMIT_SIZE];
    struct hub_id id;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (hub_revision_read(commit, (const char *)data, size, NULL) == STATUS_OK &&
        !hub_is_commit(commit))
        abort();
    if (hub_id_parse(&id, text) &&
        (strstr(id.revision, "..") || id.revision[0] == '/' || strchr(id.org, '/') ||
         strchr(id.name, '/') || id.org[0] == '.' || id.name[0] == '.'))
        abort();
    free(text);
    return 0;
}
