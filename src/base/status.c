#include "firered/status.h"

#include <stdarg.h>
#include <stdio.h>

enum status fail(struct error *err, enum status why, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return why;
}
