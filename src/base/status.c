#include "firered/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

/* Sentences quote file names and files, and go into log lines, terminals and JSON: control
 * characters and what is not UTF-8, if only because the end cut a character in two, become
 * question marks. */
static void make_printable(char *text) {
    utf8proc_int32_t c;
    for (utf8proc_uint8_t *p = (utf8proc_uint8_t *)text; *p;) {
        utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
        if (n < 1 || c < 0x20 || c == 0x7f)
            *p++ = '?';
        else
            p += n;
    }
}

enum status fail(struct error *err, enum status why, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        make_printable(err->text);
    }
    return why;
}
