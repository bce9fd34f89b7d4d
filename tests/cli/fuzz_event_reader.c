/* A stream of events from a server that may send anything: no crash, names within their room, and
 * the same events however the bytes are cut.  The first byte says how. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/event_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *arg, const char *name, const char *data) {
    if (!*name || strlen(name) > 31) abort();
    return buffer_printf(arg, "%s=%s;", name, data) == STATUS_OK;
}

static bool read_all(struct buffer *out, const char *bytes, size_t size, size_t piece) {
    struct event_reader r = {.event = note, .arg = out};
    bool good = true;
    for (size_t at = 0; at < size && good; at += piece)
        good = event_reader_feed(&r, bytes + at, size - at < piece ? size - at : piece);
    event_reader_free(&r);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer whole = {0}, pieces = {0};
    if (size < 2) return 0;
    const char *bytes = (const char *)data + 1;
    bool a = read_all(&whole, bytes, size - 1, size - 1);
    bool b = read_all(&pieces, bytes, size - 1, 1u + data[0]);
    if (a != b || whole.size != pieces.size ||
        (whole.size && memcmp(whole.data, pieces.data, whole.size) != 0))
        abort();
    buffer_free(&whole);
    buffer_free(&pieces);
    return 0;
}
