/*
 * Line by line, one pass.  Every line is first copied to a string of its own, so that the parser
 * below works on a terminated string and cannot run over into the next line.
 */
#include "config/env_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

struct place {
    const char *name;
    int line;
};

static enum status bad_line(const struct place *at, const char *why, struct error *err) {
    return fail(err, STATUS_INVALID, "%s, line %d: %s", at->name, at->line, why);
}

static char *skip_blanks(char *p) {
    return p + strspn(p, " \t");
}

static bool is_key_byte(char c, bool first) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* Unquotes in place: the value never grows. */
static enum status parse_quoted(char *p, char quote, const struct place *at, char **value,
                                struct error *err) {
    char *to = p;
    *value = p;
    for (; *p && *p != quote; p++) {
        char c = *p;
        if (c == '\\' && quote == '"') {
            static const char names[] = "nrt\"\\$", meanings[] = "\n\r\t\"\\$";
            const char *escape = p[1] ? strchr(names, p[1]) : NULL;
            if (!escape)
                return bad_line(
                    at, "unknown escape in double quotes: \\n \\r \\t \\\" \\\\ \\$ are known",
                    err);
            c = meanings[escape - names];
            p++;
        }
        *to++ = c;
    }
    if (!*p) return bad_line(at, "the quote is not closed on its line", err);
    char *rest = skip_blanks(p + 1);
    if (*rest && *rest != '#') return bad_line(at, "text after the closing quote", err);
    *to = '\0';
    return STATUS_OK;
}

static void parse_plain(char *p, char **value) {
    *value = p;
    char *end = p;
    for (; *p; p++) {
        if (*p == '#' && (p == *value || p[-1] == ' ' || p[-1] == '\t')) break;
        if (*p != ' ' && *p != '\t') end = p + 1;
    }
    *end = '\0';
}

/* Sets *key to NULL for a line that holds no variable. */
static enum status parse_line(char *line, const struct place *at, char **key, char **value,
                              struct error *err) {
    *key = NULL;
    char *p = skip_blanks(line);
    if (!*p || *p == '#') return STATUS_OK;
    if (strncmp(p, "export", 6) == 0 && (p[6] == ' ' || p[6] == '\t')) p = skip_blanks(p + 6);
    char *name = p;
    while (is_key_byte(*p, p == name)) p++;
    char *end = p;
    p = skip_blanks(p);
    if (end == name || *p != '=')
        return bad_line(at, "expected NAME=VALUE, a comment or an empty line", err);
    *end = '\0';
    p = skip_blanks(p + 1);
    *key = name;
    if (*p == '"' || *p == '\'') return parse_quoted(p + 1, *p, at, value, err);
    parse_plain(p, value);
    return STATUS_OK;
}

static enum status add(struct env_file *file, const char *key, const char *value, int line,
                       struct error *err) {
    struct env_entry *entries = realloc(file->entries, (file->count + 1) * sizeof *entries);
    if (!entries) return fail(err, STATUS_NO_MEMORY, "no memory to read the environment file");
    file->entries = entries;
    struct env_entry e = {.key = strdup(key), .value = strdup(value), .line = line};
    if (!e.key || !e.value) {
        free(e.key);
        free(e.value);
        return fail(err, STATUS_NO_MEMORY, "no memory to read the environment file");
    }
    entries[file->count++] = e;
    return STATUS_OK;
}

static enum status take_line(struct env_file *file, const char *text, size_t length,
                             const struct place *at, struct error *err) {
    if (length && text[length - 1] == '\r') length--;
    if (memchr(text, '\0', length)) return bad_line(at, "a zero byte: this is no text file", err);
    char *line = strndup(text, length), *key, *value;
    if (!line) return fail(err, STATUS_NO_MEMORY, "no memory to read the environment file");
    enum status s = parse_line(line, at, &key, &value, err);
    if (s == STATUS_OK && key) s = add(file, key, value, at->line, err);
    free(line);
    return s;
}

enum status env_file_parse(struct env_file *out, const char *text, size_t size, const char *name,
                           struct error *err) {
    *out = (struct env_file){0};
    if (size > ENV_FILE_LIMIT)
        return fail(err, STATUS_INVALID, "%s is larger than the %d bytes allowed for it", name,
                    ENV_FILE_LIMIT);
    size_t start = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (struct place at = {name, 1}; start < size; at.line++) {
        const char *newline = memchr(text + start, '\n', size - start);
        size_t length = newline ? (size_t)(newline - text) - start : size - start;
        enum status s = take_line(out, text + start, length, &at, err);
        if (s != STATUS_OK) {
            env_file_free(out);
            return s;
        }
        start += length + 1;
    }
    return STATUS_OK;
}

enum status env_file_read(struct env_file *out, const char *path, struct error *err) {
    *out = (struct env_file){0};
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) return STATUS_OK;
    struct buffer text = {0};
    enum status s = buffer_read_file(&text, path, ENV_FILE_LIMIT, err);
    if (s == STATUS_OK) s = env_file_parse(out, text.data, text.size, path, err);
    buffer_free(&text);
    return s;
}

const struct env_entry *env_file_find(const struct env_file *file, const char *key) {
    for (size_t i = file->count; i-- > 0;)
        if (strcmp(file->entries[i].key, key) == 0) return &file->entries[i];
    return NULL;
}

void env_file_free(struct env_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        free(file->entries[i].key);
        free(file->entries[i].value);
    }
    free(file->entries);
    *file = (struct env_file){0};
}
