/*
 * No picture begins like a URL, so that a part's first bytes tell, whatever it is called.  What type
 * the URL claims is not looked at: the bytes tell that, too.
 */
#include "http/data_url.h"

#include <string.h>
#include <strings.h>

#include "base/base64.h"

enum { MAX_HEAD = 256 };

static bool begins_with(const struct buffer *b, const char *word) {
    size_t n = strlen(word);
    return b->size >= n && strncasecmp(b->data, word, n) == 0;
}

/* The bytes behind the head's comma; NULL: there is no base64. */
static char *base64_of(const struct buffer *url) {
    static const char mark[] = ";base64";
    size_t n = sizeof mark - 1;
    char *comma = memchr(url->data, ',', url->size < MAX_HEAD ? url->size : MAX_HEAD);
    bool base64 = comma && (size_t)(comma - url->data) > n && strncasecmp(comma - n, mark, n) == 0;
    return base64 ? comma + 1 : NULL;
}

enum status data_url_decode(struct buffer *picture, struct error *err) {
    static const char *const others[] = {"http://", "https://", "ftp://", "file:", "blob:", "//"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins_with(picture, others[i]))
            return fail(err, STATUS_INVALID,
                        "image is a URL, and no URL is ever fetched here: send the file, or its "
                        "bytes as data:image/png;base64,...");
    if (!begins_with(picture, "data:")) return STATUS_OK;
    char *text = base64_of(picture);
    size_t size = 0;
    if (!text || !base64_decode(text, picture->size - (size_t)(text - picture->data), &size))
        return fail(err, STATUS_INVALID,
                    "image is a data URL without base64 in it: it must be "
                    "data:image/png;base64,... or the like");
    memmove(picture->data, text, size);
    picture->data[size] = '\0';
    picture->size = size;
    return STATUS_OK;
}
