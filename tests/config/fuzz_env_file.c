/* A .env of arbitrary bytes: no crash, and what is found is within it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/env_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct env_file file;
    struct error err;
    if (env_file_parse(&file, (const char *)data, size, ".env", &err) != STATUS_OK) return 0;
    for (size_t i = 0; i < file.count; i++)
        if (file.entries[i].key ? !env_file_find(&file, file.entries[i].key)
                                : file.entries[i].value != NULL)
            abort();
    env_file_free(&file);
    return 0;
}
