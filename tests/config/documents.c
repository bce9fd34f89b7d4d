/*
 * Both files, the one that is there and the one that should be, are whole strings: what differs is
 * rewritten at once or not at all.
 */
#include "support/unit_test.h"

#include "config/documents.h"

#include <stdlib.h>
#include <string.h>

#include "support/files.h"

void document_read(const struct document *d, struct buffer *out) {
    struct error err;
    if (buffer_read_file(out, d->path, 1 << 20, &err) != STATUS_OK && !getenv("FIRERED_UPDATE"))
        fail_msg("%s", err.text);
}

void document_check(const struct document *d, const char *old, const char *new) {
    if (strcmp(old, new) == 0) return;
    if (!getenv("FIRERED_UPDATE"))
        fail_msg("%s is not what the table in %s says: FIRERED_UPDATE=1 %s rewrites it", d->path,
                 d->table, d->program);
    write_text(d->path, new);
}

void document_check_between(const struct document *d, const char *begin, const char *end,
                            enum status (*write)(struct buffer *out)) {
    struct buffer old = {0}, new = {0};
    document_read(d, &old);
    const char *from = old.data ? strstr(old.data, begin) : NULL;
    const char *to = from ? strstr(from, end) : NULL;
    if (!to) fail_msg("%s has no %s", d->path, begin);
    from += strlen(begin);
    assert_int_equal(buffer_append(&new, old.data, (size_t)(from - old.data), NULL), STATUS_OK);
    assert_int_equal(write(&new), STATUS_OK);
    assert_int_equal(buffer_append(&new, to, strlen(to), NULL), STATUS_OK);
    document_check(d, old.data, new.data);
    buffer_free(&old);
    buffer_free(&new);
}
