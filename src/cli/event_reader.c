/*
 * Lines gather in one buffer until their end has come, the data of an event in another until the
 * empty line.
 */
#include "cli/event_reader.h"

#include <stdio.h>
#include <string.h>

/* The value behind "field:", without the one blank that may stand before it; NULL: another field. */
static const char *field(const char *line, const char *name) {
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || line[n] != ':') return NULL;
    return line + n + 1 + (line[n + 1] == ' ');
}

/* An empty line ends the event. */
static bool end_event(struct event_reader *r) {
    bool go_on = !r->data.data || r->event(r->arg, *r->name ? r->name : "message", r->data.data);
    buffer_free(&r->data);
    r->name[0] = '\0';
    return go_on;
}

static bool take_line(struct event_reader *r, const char *line) {
    const char *value;
    if (!*line) return end_event(r);
    if ((value = field(line, "event"))) {
        snprintf(r->name, sizeof r->name, "%.31s", value);
        return true;
    }
    if (!(value = field(line, "data"))) return true;
    return buffer_printf(&r->data, "%s%s", r->data.data ? "\n" : "", value) == STATUS_OK;
}

bool event_reader_feed(struct event_reader *r, const char *bytes, size_t size) {
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t n = end ? (size_t)(end - bytes) : size;
        if (r->line.size + r->data.size + n > EVENT_LIMIT ||
            buffer_append(&r->line, bytes, n, NULL) != STATUS_OK)
            return false;
        if (!end) return true;
        if (r->line.size > 0 && r->line.data[r->line.size - 1] == '\r')
            r->line.data[--r->line.size] = '\0';
        bool go_on = take_line(r, r->line.data ? r->line.data : "");
        r->line.size = 0;
        if (r->line.data) r->line.data[0] = '\0';
        if (!go_on) return false;
        bytes += n + 1;
        size -= n + 1;
    }
    return true;
}

void event_reader_free(struct event_reader *r) {
    buffer_free(&r->data);
    buffer_free(&r->line);
}
