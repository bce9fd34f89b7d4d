/*
 * The sentence is formatted in place and cut at its end; what no terminal, log or JSON reader
 * should see is replaced after that.
 */
#include "firered/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Sentences quote file names and files, and go into log lines, terminals and JSON: control
 * characters (U+0080 to U+009F too, which steer some terminals) and what is not UTF-8, if only
 * because the end cut a character in two, become question marks. */
static void make_printable(char *text) {
    char *end = text + strlen(text);
    for (size_t n; text < end; text += n) {
        int32_t c;
        n = utf8_next(text, (size_t)(end - text), &c);
        if (n == 0)
            n = 1;
        else if (c >= 0x20 && !(c >= 0x7f && c < 0xa0))
            continue;
        memset(text, '?', n);
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
