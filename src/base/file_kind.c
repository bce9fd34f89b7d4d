/*
 * Archives and stored models begin with signatures; texts are told by their first words.
 */
#include "base/file_kind.h"

#include <string.h>
#include <strings.h>

bool signature_fits(const struct signature *s, const uint8_t *bytes, size_t size) {
    return size >= s->size && memcmp(bytes, s->bytes, s->size) == 0;
}

static bool is_base64(const uint8_t *b, size_t size) {
    size_t n = 0;
    if (size < 64) return false;
    for (; n < size && n < 256; n++) {
        uint8_t c = b[n];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && !strchr("+/=\r\n-_", c)) return false;
    }
    return true;
}

static const char *text_kind(const uint8_t *b, size_t size) {
    static const char svg[] = "an SVG drawing", html[] = "an HTML web page";
    static const struct {
        const char *begins, *kind;
    } texts[] = {
        {"<!doctype html", html},
        {"<html", html},
        {"<head", html},
        {"<svg", svg},
        {"{", "a JSON text"},
        {"[", "a JSON text"},
        {"version https://git-lfs", "a git-LFS pointer, not the file that it stands for"},
        {"data:image/", "a data URL as text"},
        {"%!PS", "a PostScript file"},
        {"<?xml", "an XML text"},
    };
    char head[512];
    size_t n = size < sizeof head - 1 ? size : sizeof head - 1;
    memcpy(head, b, n);
    head[n] = '\0';
    const char *text = n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? head + 3 : head;
    text += strspn(text, " \t\r\n");
    if (*text == '<' && strcasestr(text, "<svg")) return svg;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strncasecmp(text, texts[i].begins, strlen(texts[i].begins)) == 0) return texts[i].kind;
    return is_base64(b, size) ? "a base64 text in place of the bytes that it stands for" : NULL;
}

/* Protocols 2 to 5: the opcode, the protocol, and what a pickle may begin with then. */
static bool is_pickle(const uint8_t *b, size_t size) {
    return size >= 3 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5 && strchr("}](cXK\x8a\x95", b[2]);
}

const char *file_kind(const uint8_t *b, size_t size) {
    static const struct {
        const char *kind;
        struct signature signature;
    } kinds[] = {
        {"a gzip file in place of what is in it", SIGNATURE("\x1f\x8b")},
        {"a zip archive", SIGNATURE("PK\3\4")},
        {"a RAR archive", SIGNATURE("Rar!")},
        {"a 7z archive", SIGNATURE("7z\xbc\xaf\x27\x1c")},
        {"an xz file in place of what is in it", SIGNATURE("\xfd"
                                                           "7zXZ")},
        {"a zstd file in place of what is in it", SIGNATURE("\x28\xb5\x2f\xfd")},
        {"a GGUF file", SIGNATURE("GGUF")},
        {"an HDF5 file", SIGNATURE("\x89HDF\r\n\x1a\n")},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (signature_fits(&kinds[i].signature, b, size)) return kinds[i].kind;
    if (is_pickle(b, size)) return "a Python pickle";
    return text_kind(b, size);
}
