/*
 * Signatures.  Most are a few bytes at the beginning; those built of boxes (HEIC, AVIF, videos) say in
 * their first box which brands they are of.  What is no picture at all is base's to name.
 */
#include "image/kind.h"

#include <string.h>

#include "base/file_kind.h"

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
        if (signature_fits(&kinds[i].signature, b, size)) {
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
        if (signature_fits(&kinds[i].signature, b, size)) return kinds[i].kind;
    if (has_brand(b, size, raw)) return "a raw photograph (CR3)";
    if (has_brand(b, size, movie)) return "a QuickTime video (MOV)";
    if (size >= 12 && memcmp(b + 4, "ftyp", 4) == 0) return "an MP4 video";
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "AVI ", 4) == 0)
        return "an AVI video";
    return file_kind(b, size);
}
