/* The first bytes of a connection: no crash, a refusal says why, and what may stand as a whole may
 * stand as far as it has come, whatever the network cuts.  The first byte says where. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size: a byte read behind it is an error. */
static bool look(const uint8_t *data, size_t size) {
    enum { MAX_SIZE = 4096 };
    enum http_error code;
    const char *detail = NULL;
    char *bytes = malloc(size ? size : 1);
    memcpy(bytes, data, size);
    bool good = framing_look(bytes, size, MAX_SIZE, &code, &detail);
    if (!good && (!detail || !*detail || http_error_kind(code)->status < 400)) abort();
    free(bytes);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t cut = (size - 1) * data[0] / 255;
    if (look(data + 1, size - 1) && !look(data + 1, cut)) abort();
    return 0;
}
