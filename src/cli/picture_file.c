/*
 * A file is read whole under a limit and decoded from memory, since standard input knows no size
 * and cannot be read twice.
 */
#include "cli/picture_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/values.h"
#include "pipeline/edited_file.h"

enum { FILE_LIMIT = 1 << 29 };

bool is_stdio(const char *name) {
    return strcmp(name, "-") == 0;
}

static enum status load_stdin(struct buffer *out, struct error *err) {
    char bytes[1 << 16];
    enum status s = STATUS_OK;
    ssize_t n;
    while (s == STATUS_OK && (n = read(STDIN_FILENO, bytes, sizeof bytes)) != 0) {
        if (n > 0)
            s = buffer_append(out, bytes, (size_t)n, err);
        else if (errno != EINTR)
            s = fail(err, STATUS_IO, "cannot read standard input: %s", strerror(errno));
        if (s == STATUS_OK && out->size > FILE_LIMIT)
            s = fail(err, STATUS_INVALID, "standard input is over %d bytes", FILE_LIMIT);
    }
    if (s != STATUS_OK) buffer_free(out);
    return s;
}

bool is_stream(const char *name) {
    static const char *const places[] = {"/dev/fd/", "/proc/self/fd/"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strncmp(name, places[i], strlen(places[i])) == 0) return true;
    return is_stdio(name) || strcmp(name, "/dev/stdin") == 0;
}

enum status picture_file_check(const char *path, struct error *err) {
    struct shown_value shown;
    if (!value_url(path) || access(path, F_OK) == 0) return STATUS_OK;
    value_show(&shown, path);
    return fail(err, STATUS_INVALID,
                "%s is a URL, and nothing is fetched here: download the picture first (curl -o "
                "FILE URL), or pipe it in as -",
                shown.text);
}

enum status picture_file_load(struct buffer *out, const char *path, struct error *err) {
    enum status s = picture_file_check(path, err);
    if (s != STATUS_OK) return s;
    return is_stdio(path) ? load_stdin(out, err) : buffer_read_input(out, path, FILE_LIMIT, err);
}

/* The file stays the caller's. */
static enum status decode(struct picture *out, struct decode_report *report,
                          const struct buffer *file, const char *path,
                          const struct decode_options *options, struct error *err) {
    struct error why;
    enum status s = picture_decode_with(out, report, file->data, file->size, options, &why);
    if (s == STATUS_OK) return s;
    return fail(err, s, "cannot use %.200s: %.280s", is_stdio(path) ? "standard input" : path,
                why.text);
}

enum status picture_file_decode(struct picture *out, struct decode_report *report, const char *path,
                                const struct decode_options *options, struct error *err) {
    struct buffer file = {0};
    enum status s = picture_file_load(&file, path, err);
    if (s == STATUS_OK) s = decode(out, report, &file, path, options, err);
    buffer_free(&file);
    return s;
}

enum status picture_file_read(struct picture *out, struct picture_origin *origin, const char *path,
                              const struct config *config, struct error *err) {
    struct buffer file = {0};
    struct decode_report report = {0};
    const struct decode_options options = {.max_pixels = config->max_image_pixels,
                                           .ignore_profiles = config->ignore_profiles};
    enum status s = picture_file_load(&file, path, err);
    if (s == STATUS_OK) s = decode(out, &report, &file, path, &options, err);
    for (size_t i = 0; i < report.note_count && s == STATUS_OK; i++)
        fprintf(stderr, "firered: %s: %s\n", path, report.notes[i]);
    if (s == STATUS_OK && origin)
        origin->ours = edited_file_seed(&origin->seed, file.data, file.size);
    buffer_free(&file);
    return s;
}
