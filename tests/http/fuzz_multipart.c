/*
 * Whatever the body, parsing it in one piece and byte by byte hears the same parts and comes to the
 * same end.  The input's first line is the Content-Type, the rest the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "http/multipart.h"

static enum status on_begin(void *arg, const struct multipart_part *part, struct error *err) {
    (void)err;
    return buffer_printf(arg, "\n[%s|%s]\n", part->name, part->filename ? part->filename : "-");
}

static enum status on_data(void *arg, const char *bytes, size_t size, struct error *err) {
    return buffer_append(arg, bytes, size, err);
}

static enum status on_end(void *arg, struct error *err) {
    return buffer_append(arg, "\n[end]\n", 7, err);
}

static enum status parse(const char *boundary, const char *body, size_t size, size_t step,
                         struct buffer *heard) {
    struct multipart *m;
    struct multipart_handler handler = {on_begin, on_data, on_end, heard};
    struct error err;
    enum status s = multipart_create(&m, boundary, &handler, &err);
    for (size_t at = 0; at < size && s == STATUS_OK; at += step)
        s = multipart_feed(m, body + at, step < size - at ? step : size - at, &err);
    if (s == STATUS_OK) s = multipart_finish(m, &err);
    multipart_destroy(m);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char boundary[MULTIPART_MAX_BOUNDARY + 1], type[512];
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    if (!newline || (size_t)(newline - data) >= sizeof type) return 0;
    size_t n = (size_t)(newline - data);
    memcpy(type, data, n);
    type[n] = '\0';
    struct error err;
    if (multipart_boundary(boundary, type, &err) != STATUS_OK) return 0;
    const char *body = (const char *)newline + 1;
    size -= n + 1;
    struct buffer whole = {0}, pieces = {0};
    enum status a = parse(boundary, body, size, size ? size : 1, &whole);
    enum status b = parse(boundary, body, size, 1, &pieces);
    /* After an error the two may have heard different amounts of the part that it is in. */
    if (a != b ||
        (a == STATUS_OK && (whole.size != pieces.size ||
                            (whole.size && memcmp(whole.data, pieces.data, whole.size) != 0))))
        abort();
    buffer_free(&whole);
    buffer_free(&pieces);
    return 0;
}
