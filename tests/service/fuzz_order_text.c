/* Orders and outcomes from arbitrary text, and arbitrary bytes beside it, which follow its first
 * NUL: no crash, what is taken is in range, and is written as a text that says the same.  The first
 * byte says which of the two it is. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "service/order_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good) {
    if (!good) abort();
}

static void check_order(const struct edit_order *o, size_t bytes) {
    size_t sum = 0;
    require(o->file_count >= 1 && o->file_count <= FIRERED_MAX_PICTURES);
    for (size_t i = 0; i < o->file_count; i++) {
        require(o->files[i].size > 0);
        sum += o->files[i].size;
    }
    require(sum == bytes);
    require(utf8_is_text(o->prompt, strlen(o->prompt)));
    require(!utf8_is_blank(o->prompt, strlen(o->prompt)));
    require(utf8_is_text(o->negative_prompt, strlen(o->negative_prompt)));
    require(o->steps >= 1 && o->steps <= FIRERED_MAX_STEPS);
    require(o->guidance_scale >= 0 && o->guidance_scale <= FIRERED_MAX_GUIDANCE);
    require(!o->width == !o->height && !(o->width && o->input_size));
    require(!o->width || (o->width >= FIRERED_MIN_SIDE && o->width <= FIRERED_MAX_SIDE));
    require(!o->height || (o->height >= FIRERED_MIN_SIDE && o->height <= FIRERED_MAX_SIDE));
    require(o->quality >= 0 && o->quality <= 100);
}

static void read_order(const char *text, size_t size, const char *bytes, size_t bytes_size) {
    struct edit_order order = {0}, again = {0};
    struct error why = {0};
    struct buffer first = {0}, second = {0}, pictures = {0};
    char id[REQUEST_ID_MAX + 1], same_id[REQUEST_ID_MAX + 1];
    if (order_text_read(&order, id, text, size, bytes, bytes_size, &why) != STATUS_OK) {
        require(why.text[0] && !order.prompt);
        return;
    }
    check_order(&order, bytes_size);
    require(order_text_write(&first, &order, id, NULL) == STATUS_OK);
    require(order_text_write_pictures(&pictures, &order, NULL) == STATUS_OK);
    require(pictures.size == bytes_size && memcmp(pictures.data, bytes, bytes_size) == 0);
    require(order_text_read(&again, same_id, first.data, first.size, pictures.data, pictures.size,
                            NULL) == STATUS_OK);
    require(order_text_write(&second, &again, same_id, NULL) == STATUS_OK);
    require(strcmp(first.data, second.data) == 0);
    edit_order_free(&order);
    edit_order_free(&again);
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&pictures);
}

static void read_outcome(const char *text, size_t size, const char *bytes, size_t bytes_size) {
    struct edit_outcome outcome = {0}, again = {0};
    struct error why = {0};
    struct buffer first = {0}, second = {0}, file = {0};
    require(buffer_append(&file, bytes, bytes_size, NULL) == STATUS_OK);
    if (outcome_text_read(&outcome, text, size, &file, &why) != STATUS_OK) {
        require(why.text[0] && !outcome.file.data && file.size == bytes_size);
        buffer_free(&file);
        return;
    }
    require(outcome.file.size == bytes_size);
    require((outcome.end == EDIT_DONE) == (bytes_size > 0));
    require(outcome.end == EDIT_DONE || outcome.detail[0]);
    require(isfinite(outcome.denoise_seconds) && outcome.denoise_seconds >= 0);
    require(outcome_text_write(&first, &outcome, NULL) == STATUS_OK);
    require(outcome_text_read(&again, first.data, first.size, &outcome.file, NULL) == STATUS_OK);
    require(outcome_text_write(&second, &again, NULL) == STATUS_OK);
    require(strcmp(first.data, second.data) == 0);
    buffer_free(&again.file);
    buffer_free(&first);
    buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const char *text = (const char *)data + 1, *nul = memchr(text, 0, size - 1);
    size_t text_size = nul ? (size_t)(nul - text) : size - 1;
    const char *bytes = nul ? nul + 1 : "";
    size_t bytes_size = nul ? size - 2 - text_size : 0;
    if (data[0] == 'o')
        read_order(text, text_size, bytes, bytes_size);
    else
        read_outcome(text, text_size, bytes, bytes_size);
    return 0;
}
