/*
 * The pixels are one block, three bytes a pixel and no padding.
 */
#include "firered/picture.h"

#include <stdlib.h>

#include "image/picture.h"

enum status picture_create(struct picture *p, int width, int height, struct error *err) {
    *p = (struct picture){0};
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    if (!rgb)
        return fail(err, STATUS_NO_MEMORY, "no memory for a picture of %dx%d pixels", width,
                    height);
    *p = (struct picture){width, height, rgb};
    return STATUS_OK;
}

void picture_free(struct picture *p) {
    if (!p) return;
    free(p->rgb);
    *p = (struct picture){0};
}
