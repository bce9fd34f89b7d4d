/*
 * Signatures.  Most are a few bytes at the beginning; those built of boxes (HEIC, AVIF, videos) say in
 * their first box which brands they are of, and texts are told by their first words.
 */
#include "image/kind.h"

#include <string.h>
#include <strings.h>

struct signature {
    const char *bytes;
    size_t size, at;
};

#define SIGNATURE(text)                                                                            \
    { (text), sizeof(text) - 1, 0 }

static bool has(const uint8_t *b, size_t size, const struct signature *s) {
    return size >= s->at + s->size && memcmp(b + s->at, s->bytes, s->size) == 0;
}

static bool is_brand(const uint8_t *b, const char *const *brands) {
    for (; *brands; brands++)
        if (memcmp(b, *brands, 4) == 0) return true;
    return false;
}

/* Whether the first box names one of the brands: as the one it is, or as one it is also of. */
static bool has_brand(const uint8_t *b, size_t size, const char *const *brands) {
    if (size < 16 || memcmp(b + 4, "ftyp", 4) != 0) return false;
    if (is_brand(b + 8, brands)) return true;
    size_t box = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    for (size_t at = 16; at + 4 <= box && at + 4 <= size; at += 4)
        if (is_brand(b + at, brands)) return true;
    return false;
}

bool picture_kind(enum picture_format *out, const uint8_t *b, size_t size) {
    static const struct {
        enum picture_format format;
        struct signature signature;
    } kinds[] = {
        {PICTURE_PNG, SIGNATURE("\x89PNG\r\n\x1a\n")},
        {PICTURE_JPEG, SIGNATURE("\xff\xd8\xff")},
        {PICTURE_GIF, SIGNATURE("GIF87a")},
        {PICTURE_GIF, SIGNATURE("GIF89a")},
        {PICTURE_TIFF, SIGNATURE("II*\0")},
        {PICTURE_TIFF, SIGNATURE("MM\0*")},
        {PICTURE_TIFF, SIGNATURE("II+\0")},
        {PICTURE_TIFF, SIGNATURE("MM\0+")},
        {PICTURE_JXL, SIGNATURE("\xff\x0a")},
        {PICTURE_JXL, SIGNATURE("\0\0\0\x0cJXL \r\n\x87\n")},
    };
    static const char *const avif[] = {"avif", "avis", NULL};
    static const char *const heic[] = {"heic", "heix", "heim", "heis", "hevc",
                                       "hevx", "mif1", "msf1", NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (has(b, size, &kinds[i].signature)) {
            *out = kinds[i].format;
            return true;
        }
    bool webp = size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0;
    /* Two letters are few: the header behind them must be one, too. */
    bool bmp = size >= 18 && memcmp(b, "BM", 2) == 0 && b[14] >= 12 && b[14] <= 124 && b[15] == 0;
    if (webp)
        *out = PICTURE_WEBP;
    else if (bmp)
        *out = PICTURE_BMP;
    else if (has_brand(b, size, avif))
        *out = PICTURE_AVIF;
    else if (has_brand(b, size, heic))
        *out = PICTURE_HEIC;
    else
        return false;
    return true;
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
    return is_base64(b, size) ? "a base64 text; send the bytes that it stands for" : NULL;
}

const char *foreign_kind(const uint8_t *b, size_t size) {
    static const struct {
        const char *kind;
        struct signature signature;
    } kinds[] = {
        {"a Photoshop picture (PSD)", SIGNATURE("8BPS")},
        {"a PDF", SIGNATURE("%PDF")},
        {"a JPEG 2000 picture", SIGNATURE("\0\0\0\x0cjP  \r\n\x87\n")},
        {"a JPEG 2000 picture", SIGNATURE("\xff\x4f\xff\x51")},
        {"an icon (ICO)", SIGNATURE("\0\0\1\0")},
        {"a cursor (CUR)", SIGNATURE("\0\0\2\0")},
        {"an OpenEXR picture (EXR)", SIGNATURE("\x76\x2f\x31\x01")},
        {"a Radiance picture (HDR)", SIGNATURE("#?RADIANCE")},
        {"a gzip file; send what is in it", SIGNATURE("\x1f\x8b")},
        {"a zip archive", SIGNATURE("PK\3\4")},
        {"a RAR archive", SIGNATURE("Rar!")},
        {"a 7z archive", SIGNATURE("7z\xbc\xaf\x27\x1c")},
        {"an xz file; send what is in it", SIGNATURE("\xfd"
                                                     "7zXZ")},
        {"a zstd file; send what is in it", SIGNATURE("\x28\xb5\x2f\xfd")},
        {"a Matroska or WebM video", SIGNATURE("\x1a\x45\xdf\xa3")},
        {"a raw photograph (RAF)", SIGNATURE("FUJIFILMCCD-RAW")},
        {"a raw photograph (ORF)", SIGNATURE("IIRO")},
        {"a raw photograph (RW2)", SIGNATURE("IIU\0")},
        {"a DDS texture", SIGNATURE("DDS ")},
        {"a GIMP picture (XCF)", SIGNATURE("gimp xcf")},
        {"an Adobe Illustrator or PostScript file", SIGNATURE("\xc5\xd0\xd3\xc6")},
    };
    static const char *const movie[] = {"qt  ", NULL};
    static const char *const raw[] = {"crx ", NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (has(b, size, &kinds[i].signature)) return kinds[i].kind;
    if (has_brand(b, size, raw)) return "a raw photograph (CR3)";
    if (has_brand(b, size, movie)) return "a QuickTime video (MOV)";
    if (size >= 12 && memcmp(b + 4, "ftyp", 4) == 0) return "an MP4 video";
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "AVI ", 4) == 0)
        return "an AVI video";
    return text_kind(b, size);
}
