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

static char *skip_blanks(char *p) {
    return p + strspn(p, " \t");
}

static bool is_key_byte(char c, bool first) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* Unquotes in place: the value never grows.  Returns what is wrong, or NULL. */
static const char *parse_quoted(char *p, char quote, char **value) {
    char *to = p;
    *value = p;
    for (; *p && *p != quote; p++) {
        char c = *p;
        if (c == '\\' && quote == '"') {
            static const char names[] = "nrt\"\\$", meanings[] = "\n\r\t\"\\$";
            const char *escape = p[1] ? strchr(names, p[1]) : NULL;
            if (!escape)
                return "unknown escape in double quotes: \\n \\r \\t \\\" \\\\ \\$ are known";
            c = meanings[escape - names];
            p++;
        }
        *to++ = c;
    }
    if (!*p) return "the quote is not closed on its line";
    char *rest = skip_blanks(p + 1);
    if (*rest && *rest != '#') return "text after the closing quote";
    *to = '\0';
    return NULL;
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

/* What a line says, in place.  False: nothing at all, as a comment. */
static bool parse_line(struct env_entry *out, char *line) {
    char *p = skip_blanks(line);
    if (!*p || *p == '#') return false;
    if (strncmp(p, "export", 6) == 0 && (p[6] == ' ' || p[6] == '\t')) p = skip_blanks(p + 6);
    char *name = p;
    while (is_key_byte(*p, p == name)) p++;
    char *end = p;
    p = skip_blanks(p);
    if (end == name || *p != '=') return true;
    *end = '\0';
    p = skip_blanks(p + 1);
    out->key = name;
    if (*p == '"' || *p == '\'')
        out->wrong = parse_quoted(p + 1, *p, &out->value);
    else
        parse_plain(p, &out->value);
    if (out->wrong) out->value = NULL;
    return true;
}

/* Keeps a copy of the entry. */
static enum status add(struct env_file *file, struct env_entry e, struct error *err) {
    struct env_entry *entries = realloc(file->entries, (file->count + 1) * sizeof *entries);
    if (entries) file->entries = entries;
    struct env_entry copy = {.wrong = e.wrong, .line = e.line};
    if (e.key) copy.key = strdup(e.key);
    if (e.value) copy.value = strdup(e.value);
    if (entries && !copy.key == !e.key && !copy.value == !e.value) {
        entries[file->count++] = copy;
        return STATUS_OK;
    }
    free(copy.key);
    free(copy.value);
    return fail(err, STATUS_NO_MEMORY, "no memory to read the environment file");
}

static enum status take_line(struct env_file *file, const char *text, size_t length, int number,
                             struct error *err) {
    struct env_entry e = {.line = number};
    if (length && text[length - 1] == '\r') length--;
    if (memchr(text, '\0', length)) return add(file, e, err);
    char *line = strndup(text, length);
    if (!line) return fail(err, STATUS_NO_MEMORY, "no memory to read the environment file");
    enum status s = parse_line(&e, line) ? add(file, e, err) : STATUS_OK;
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
    for (int line = 1; start < size; line++) {
        const char *newline = memchr(text + start, '\n', size - start);
        size_t length = newline ? (size_t)(newline - text) - start : size - start;
        enum status s = take_line(out, text + start, length, line, err);
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
        if (file->entries[i].key && strcmp(file->entries[i].key, key) == 0)
            return &file->entries[i];
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
