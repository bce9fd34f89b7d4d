/*
 * env_file.h - reading a `.env` file: variables for those who do not set them in the environment.
 *
 *     # a comment                        blank lines and comments are skipped
 *     export PORT=8000                   `export ` and blanks around `=` are allowed
 *     HOST=127.0.0.1   # why             unquoted: up to a blank and `#` or the end, trimmed
 *     PROMPT='as it is, $HOME \n # too'  single quotes: nothing inside has a meaning
 *     NOTE="a \"word\"\n"                double quotes: \n \r \t \" \\ and \$ are the escapes
 *
 * A quoted value ends on its line.  Nothing is executed or expanded.  Lines may end in CRLF; a
 * byte order mark is skipped.  A key given twice has the value of the later line.
 *
 * The file may be another program's: a line that is none of the above is kept as one that says
 * nothing, and whoever knows the names decides whether that matters.
 */
#ifndef CONFIG_ENV_FILE_H
#define CONFIG_ENV_FILE_H

#include <stddef.h>

#include "firered/status.h"

enum { ENV_FILE_LIMIT = 65536 }; /* bytes */

struct env_entry {
    char *key;         /* NULL: the line is no NAME=VALUE, comment or empty line */
    char *value;       /* NULL: it cannot be read, */
    const char *wrong; /* and why, "the quote is not closed on its line"; a constant */
    int line;          /* from 1 */
};

struct env_file {
    struct env_entry *entries;
    size_t count;
};

/* `name` is the file's, for messages.  STATUS_INVALID: too large.  STATUS_NO_MEMORY.  On success the
 * caller releases *out. */
enum status env_file_parse(struct env_file *out, const char *text, size_t size, const char *name,
                           struct error *err);

/* The same from a file; one that does not exist is an empty one.  STATUS_IO: it is there but
 * cannot be read. */
enum status env_file_read(struct env_file *out, const char *path, struct error *err);

/* The last one of that key, or NULL. */
const struct env_entry *env_file_find(const struct env_file *file, const char *key);
void env_file_free(struct env_file *file);

#endif
