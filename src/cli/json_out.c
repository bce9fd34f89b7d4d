/*
 * The text is made in memory and written at once; that it arrived is only known once the stream is
 * flushed.  JSON may hold U+007F to U+009F as they are; a terminal obeys some of them.
 */
#include "cli/json_out.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static void write_escaped(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        if (c1) c++;
        if (c1 || *c == 0x7f)
            printf("\\u%04X", (unsigned)*c);
        else
            putchar(*c == '\r' ? ' ' : *c); /* it stands between values only */
    }
}

enum status json_out(json_t *root, struct error *err) {
    char *text = root ? json_dumps(root, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text) return fail(err, STATUS_NO_MEMORY, "no memory for the report");
    enum status s = json_out_text(text, err);
    free(text);
    return s;
}

enum status json_out_text(const char *text, struct error *err) {
    write_escaped(text);
    if (putchar('\n') == EOF || fflush(stdout) != 0 || ferror(stdout))
        return fail(err, STATUS_IO, "cannot write the report");
    return STATUS_OK;
}
