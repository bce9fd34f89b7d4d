/*
 * The index of a sharded component, from bytes: no shard that passes may lead out of the folder.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "weights/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds) {
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct weights_index index;
    struct error err = {""};
    enum status s = index_parse(&index, (const char *)data, size, "fuzz", &err);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID && *err.text && !strchr(err.text, '\n') && !index.map);
        return 0;
    }
    require(index.count > 0 && index.count <= json_object_size(index.map));
    for (size_t i = 0; i < index.count; i++) {
        require(!strchr(index.shards[i], '/') && !strstr(index.shards[i], ".."));
        if (i) require(strcmp(index.shards[i - 1], index.shards[i]) < 0);
    }
    index_close(&index);
    return 0;
}
