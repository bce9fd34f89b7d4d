/* Any bytes as a PNG file with texts: whatever comes back is text within the limits. */
#include <stdlib.h>
#include <string.h>

#include "image/png_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct png_texts texts;
    size_t bytes = 0;
    enum status s = png_texts_read(&texts, data, size, NULL);
    if (s != STATUS_OK && (texts.items || texts.count)) abort();
    for (size_t i = 0; i < texts.count; i++) {
        if (!texts.items[i].key[0] || !png_texts_find(&texts, texts.items[i].key)) abort();
        bytes += strlen(texts.items[i].key) + strlen(texts.items[i].value);
    }
    if (texts.count > PNG_TEXTS_MAX || bytes > PNG_TEXTS_MAX_BYTES) abort();
    png_texts_free(&texts);
    return 0;
}
