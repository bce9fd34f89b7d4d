/* Any bytes as a picture file: decoded or refused, and what is decoded fits what the header told.
 */
#include <stdlib.h>

#include "image/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { MAX_PIXELS = 1 << 16 };
    struct picture p;
    struct picture_header header;
    enum status probed = picture_probe(&header, data, size, NULL);
    enum status decoded = picture_decode(&p, data, size, MAX_PIXELS, NULL);
    if (decoded == STATUS_OK) {
        bool as_probed = (p.width == header.width && p.height == header.height) ||
                         (p.width == header.height && p.height == header.width);
        if (probed != STATUS_OK || !as_probed || p.width * p.height > MAX_PIXELS) abort();
        unsigned sum = 0; /* reads every byte: a sanitizer would see one that was never written */
        for (int i = 0; i < p.width * p.height * 3; i++) sum += p.rgb[i];
        if (sum == ~0u) abort();
    } else if (p.rgb) {
        abort();
    }
    picture_free(&p);
    return 0;
}
