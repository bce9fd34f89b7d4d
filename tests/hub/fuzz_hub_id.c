/* Ids of models and of their files as people and settings have them, any bytes: what is taken is
 * safe as a part of a path and of a URL, and written out again it is the same id. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const struct hub_id *id) {
    struct hub_id again;
    char text[600];
    if (strchr(id->org, '/') || strchr(id->name, '/') || !*id->revision) abort();
    if (!hub_path_is_safe(id->org, strlen(id->org)) ||
        !hub_path_is_safe(id->name, strlen(id->name)) ||
        !hub_path_is_safe(id->revision, strlen(id->revision)))
        abort();
    if (strpbrk(id->revision, " ~^:?*[<>|\"'")) abort();
    snprintf(text, sizeof text, "%s/%s@%s", id->org, id->name, id->revision);
    if (!hub_id_parse(&again, text) || strcmp(again.org, id->org) != 0 ||
        strcmp(again.name, id->name) != 0 || strcmp(again.revision, id->revision) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct hub_id id;
    struct hub_file_id file;
    struct hub_hint hint;
    memcpy(text, data, size);
    text[size] = '\0';
    if (hub_id_parse(&id, text)) check_id(&id);
    if (hub_file_id_parse(&file, text)) {
        check_id(&file.id);
        if (!hub_path_is_safe(file.file, strlen(file.file))) abort();
    }
    for (int of_file = 0; of_file < 2; of_file++) {
        hub_id_hint(&hint, text, of_file);
        if (strlen(hint.text) >= sizeof hint.text) abort();
    }
    free(text);
    return 0;
}
