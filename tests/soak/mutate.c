/*
 * A change is a place, a run that goes from there, and bytes that come instead; what they are is
 * thrown.
 */
#include "soak/mutate.h"

#include <stdlib.h>
#include <string.h>

unsigned throw_dice(struct dice *d, unsigned below) {
    d->state ^= d->state << 13; /* xorshift64 */
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (unsigned)(d->state >> 33) % below;
}

static const char *const words[] = {"\r\n",
                                    "\r\n\r\n",
                                    "\n",
                                    "\r",
                                    " ",
                                    "\t",
                                    ":",
                                    "%00",
                                    "%2f",
                                    "/../",
                                    "?a=b&",
                                    "\xff\xfe",
                                    "\xed\xa0\x80",
                                    "Content-Length: 5\r\n",
                                    "Content-Length: 99999999999999999999\r\n",
                                    "Transfer-Encoding: chunked\r\n",
                                    "Host: x\r\n",
                                    "Expect: 100-continue\r\n",
                                    "Connection: close\r\n",
                                    "Content-Encoding: gzip\r\n",
                                    "Sec-Fetch-Site: cross-site\r\n",
                                    "Upgrade: websocket\r\n",
                                    "\r\n--",
                                    "name=\"image\"",
                                    "0",
                                    "-1",
                                    "1e999"};

static void splice(struct buffer *b, size_t at, size_t gone, const void *bytes, size_t n) {
    struct buffer out = {0};
    buffer_append(&out, b->data, at, NULL);
    buffer_append(&out, bytes, n, NULL);
    buffer_append(&out, b->data + at + gone, b->size - at - gone, NULL);
    buffer_free(b);
    *b = out;
}

static size_t at_most(size_t n, size_t limit) {
    return n < limit ? n : limit;
}

static void change(struct buffer *b, struct dice *d) {
    enum { HEAD = 300, RUN = 64 };
    size_t range = throw_dice(d, 2) ? at_most(b->size, HEAD) : b->size;
    size_t at = throw_dice(d, (unsigned)range), run = 1 + throw_dice(d, RUN);
    const char *word = words[throw_dice(d, sizeof words / sizeof *words)];
    char byte;
    run = at_most(run, b->size - at);
    switch (throw_dice(d, 7)) {
    case 0: b->data[at] = (char)(b->data[at] ^ (1 << throw_dice(d, 8))); break;
    case 1: b->data[at] = (char)throw_dice(d, 256); break;
    case 2: splice(b, at, run, "", 0); break;
    case 3: {
        char again[RUN];
        memcpy(again, b->data + at, run);
        splice(b, at, 0, again, run);
        break;
    }
    case 4: splice(b, at, 0, word, strlen(word)); break;
    case 5: splice(b, at, at_most(run, strlen(word)), word, strlen(word)); break;
    default: byte = '\0'; splice(b, at, 0, &byte, 1);
    }
}

void mutate(struct buffer *request, struct dice *d) {
    for (unsigned n = 1 + throw_dice(d, 5); n > 0 && request->size > 1; n--) change(request, d);
}
