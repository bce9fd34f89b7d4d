#include "cli/picture_file.h"

#include "base/buffer.h"
#include "image/decode.h"

enum { FILE_LIMIT = 1 << 29 };

enum status picture_file_read(struct picture *out, const char *path, int64_t max_pixels,
                              struct error *err) {
    struct buffer file = {0};
    struct error why;
    enum status s = buffer_read_file(&file, path, FILE_LIMIT, err);
    if (s != STATUS_OK) return s;
    s = picture_decode(out, file.data, file.size, max_pixels, &why);
    buffer_free(&file);
    return s == STATUS_OK ? s : fail(err, s, "cannot use %.200s: %.280s", path, why.text);
}
