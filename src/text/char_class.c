/* A binary search in a table of ranges (char_table.h, written by make_char_table.py), with ASCII
 * decided beforehand. */
#include "text/char_class.h"

#include <stddef.h>
#include <utf8proc.h>

struct range {
    uint32_t first, last;
    enum char_class class;
};

static const struct range ranges[] = {
#include "text/char_table.h"
};

enum char_class char_class(int32_t code_point) {
    uint32_t c = (uint32_t)code_point;
    if (c < 0x80) {
        if ((c | 0x20) - 'a' < 26) return CHAR_LETTER;
        if (c - '0' < 10) return CHAR_NUMBER;
        return c == ' ' || c - '\t' < 5 ? CHAR_SPACE : CHAR_OTHER;
    }
    size_t low = 0, high = sizeof ranges / sizeof ranges[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else if (c < ranges[middle].first)
            high = middle;
        else
            return ranges[middle].class;
    }
    return CHAR_OTHER;
}

/* The symbols with Other_Alphabetic: letters in circles and squares. */
static bool is_enclosed_letter(int32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool char_is_word(int32_t code_point) {
    switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return is_enclosed_letter(code_point) || code_point == 0x200c || code_point == 0x200d;
    }
}
