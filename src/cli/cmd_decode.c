/*
 * firered decode: a picture as the model's input stage sees it, and what was found in its file.  The
 * first thing to look at when colours look wrong.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/output.h"
#include "cli/picture_file.h"
#include "config/options.h"
#include "image/decode.h"
#include "image/encode.h"

static enum status write_png(const struct picture *p, const char *path, bool force,
                             struct error *err) {
    struct buffer file = {0};
    enum status s = picture_encode(&file, p, PICTURE_PNG, err);
    if (s == STATUS_OK) s = output_write(path, file.data, file.size, force, err);
    buffer_free(&file);
    return s;
}

static json_t *report_json(const struct decode_report *r, const struct picture *p) {
    json_t *notes = json_array();
    for (size_t i = 0; i < r->note_count; i++)
        json_array_append_new(notes, json_string(r->notes[i]));
    return json_pack("{s:s, s:i, s:i, s:i, s:s, s:o}", "format",
                     picture_format_name(r->header.format), "width", p->width, "height", p->height,
                     "orientation", r->orientation, "colours", r->converted ? "converted" : "kept",
                     "notes", notes);
}

static enum status report(const struct decode_report *r, const struct picture *p, const char *path,
                          bool json, struct error *err) {
    for (size_t i = 0; i < r->note_count; i++)
        fprintf(stderr, "firered decode: note: %s\n", r->notes[i]);
    if (json) return json_out(report_json(r, p), err);
    FILE *to = is_stdio(path) ? stderr : stdout; /* the picture may be on standard output */
    fprintf(to, "%s, %dx%d, orientation %d, colours %s\n", picture_format_name(r->header.format),
            p->width, p->height, r->orientation,
            r->converted ? "converted to sRGB" : "as they are stored");
    return fflush(to) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the report");
}

/* What the routes call it. */
static const char *code_of(enum status s) {
    switch (s) {
    case STATUS_UNSUPPORTED: return "invalid_file";
    case STATUS_INVALID: return "invalid_image";
    case STATUS_NO_MEMORY: return "no_memory";
    default: return "io_error";
    }
}

static enum status decode_file(const struct config *config, const char *const paths[2],
                               const struct args *args, struct error *err) {
    struct picture p = {0};
    struct decode_report found;
    const struct decode_options options = {.max_pixels = config->max_image_pixels,
                                           .ignore_profiles = config->ignore_profiles};
    bool json = args_last(args, "json") != NULL, force = args_last(args, "force") != NULL;
    enum status s = output_check(paths[1], force, err);
    if (s == STATUS_OK) s = picture_file_decode(&p, &found, paths[0], &options, err);
    if (s != STATUS_OK && json) {
        struct error unsaid;
        json_out(json_pack("{s:s, s:s}", "error", code_of(s), "detail", err->text), &unsaid);
    }
    if (s == STATUS_OK) s = write_png(&p, paths[1], force, err);
    if (s == STATUS_OK) s = report(&found, &p, paths[1], json, err);
    picture_free(&p);
    return s;
}

static int decode(const struct config *config, const struct args *args, struct error *err) {
    const char *paths[2] = {NULL, NULL};
    size_t words = 0;
    for (size_t i = 0; i < args->count; i++) {
        if (*args->list[i].flag != '\0') continue;
        if (words < 2) paths[words] = args->list[i].value;
        words++;
    }
    if (words != 2) {
        fail(err, STATUS_INVALID, "two files are needed, the picture and the PNG to write");
        return EXIT_USAGE;
    }
    return decode_file(config, paths, args, err) == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct arg_spec own[] = {{"", "FILE"}, {"json", NULL}, {"force", NULL}, {NULL, NULL}};

const struct command command_decode = {
    .name = "decode",
    .summary = "a picture as the model's input stage sees it",
    .help = "usage: firered decode IN OUT.png [--json] [FLAGS]\n\n"
            "Writes the picture as an edit would take it: upright, in sRGB, on white, 8 bit\n"
            "and full size.  Says what was found; notes, such as a colour profile that was\n"
            "ignored, go to standard error.  - is standard input, or output.\n\n"
            "  --json   for machines, on one line; an error has its code there\n"
            "  --force  write over a file that is there\n",
    .options = OPTION_DECODE,
    .own = own,
    .work = decode,
};
