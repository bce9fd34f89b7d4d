/*
 * file_kind.h - what a file is that is not what it should be: for the sentence that refuses it.
 *
 * People rename files, and downloads that go wrong leave web pages behind.  Who expects one kind and
 * finds another tells which.  Kinds that only one room knows stay there (image/kind.h).
 */
#ifndef BASE_FILE_KIND_H
#define BASE_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct signature {
    const char *bytes;
    size_t size;
};
/* Of a string literal, which may hold zeros. */
#define SIGNATURE(text)                                                                            \
    { (text), sizeof(text) - 1 }

bool signature_fits(const struct signature *s, const uint8_t *bytes, size_t size);

/* "a zip archive", or NULL: nothing that is known here.  `size` bytes from the beginning of the file;
 * some hundred are enough. */
const char *file_kind(const uint8_t *bytes, size_t size);

#endif
