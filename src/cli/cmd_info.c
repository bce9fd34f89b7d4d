/*
 * firered info: of a picture, how it was made, as far as its file tells; of a model, a check of its
 * folder without loading it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "cli/model_lacks.h"
#include "cli/model_place.h"
#include "cli/model_pull.h"
#include "cli/picture_file.h"
#include "config/options.h"
#include "firered.h"
#include "hub/id.h"
#include "image/decode.h"
#include "image/png_text.h"

struct picture_facts {
    struct picture_header header;
    struct png_texts texts;
};

static enum status read_facts(struct picture_facts *out, const char *path, struct error *err) {
    struct buffer file = {0};
    struct error why;
    *out = (struct picture_facts){0};
    enum status s = picture_file_load(&file, path, err);
    if (s != STATUS_OK) return s;
    s = picture_probe(&out->header, file.data, file.size, &why);
    if (s == STATUS_OK && out->header.format == PICTURE_PNG)
        s = png_texts_read(&out->texts, file.data, file.size, &why);
    buffer_free(&file);
    return s == STATUS_OK ? s : fail(err, s, "cannot use %.200s: %.280s", path, why.text);
}

/* Anybody may have written the text, and a terminal obeys control characters: they become blanks. */
static void write_harmless(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        putchar(c1 || *c < 0x20 || *c == 0x7f ? ' ' : *c);
        if (c1) c++;
    }
}

static enum status write_facts(const struct picture_facts *f, const char *path, struct error *err) {
    printf("%s: %s, %dx%d\n", path, picture_format_name(f->header.format), f->header.width,
           f->header.height);
    for (size_t i = 0; i < f->texts.count; i++) {
        int padding = 16;
        write_harmless(f->texts.items[i].key);
        padding -= (int)strlen(f->texts.items[i].key);
        printf("%*s", padding > 1 ? padding : 1, "");
        write_harmless(f->texts.items[i].value);
        putchar('\n');
    }
    if (f->texts.count == 0) printf("It does not tell how it was made.\n");
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the report");
}

/* Of a key that is there twice the first counts, as in png_texts_find. */
static json_t *facts_json(const struct picture_facts *f, const char *path) {
    json_t *texts = json_object();
    for (size_t i = 0; i < f->texts.count; i++) {
        const struct picture_text *text = &f->texts.items[i];
        if (!json_object_get(texts, text->key))
            json_object_set_new(texts, text->key, json_string(text->value));
    }
    return json_pack("{s:s, s:s, s:i, s:i, s:o}", "file", path, "format",
                     picture_format_name(f->header.format), "width", f->header.width, "height",
                     f->header.height, "texts", texts);
}

static enum status tell_picture(const char *path, bool json, struct error *err) {
    struct picture_facts facts;
    enum status s = read_facts(&facts, path, err);
    if (s == STATUS_OK)
        s = json ? json_out(facts_json(&facts, path), err) : write_facts(&facts, path, err);
    png_texts_free(&facts.texts);
    return s;
}

static json_t *report_json(const char *model, char *report) {
    json_t *lines = json_array();
    char *rest = NULL;
    for (char *line = strtok_r(report, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(lines, json_string(line));
    return json_pack("{s:s, s:o}", "model", model, "report", lines);
}

/* A snapshot that is not whole: what is missing of it, and how to get it. */
static enum status check_whole(const struct model_place *model, const struct config *config,
                               bool json, struct error *err) {
    struct model_pull pull;
    bool wanted;
    enum status s = model_pull_look(&pull, config, &wanted, err);
    if (s == STATUS_OK && wanted) s = model_lacks_tell(model, json, err);
    model_pull_close(&pull);
    return s;
}

static enum status tell_model(const struct config *config, bool json, struct error *err) {
    struct model_place model;
    enum status s = model_lacks_begun(config, model_place_find(&model, config, err), err);
    if (s == STATUS_OK && (s = check_whole(&model, config, json, err)) != STATUS_OK)
        model_place_free(&model);
    if (s != STATUS_OK) return s;
    if (model.stands_in) fprintf(stderr, "firered info: %s\n", model_place_stand_in);
    char *report = NULL;
    bool planned = config->device_memory && strcmp(config->device, "auto") == 0; /* for a card */
    const struct firered_options options = {.model = model.folder,
                                            .device = planned ? "cuda" : config->device,
                                            .dtype = config->dtype,
                                            .threads = config->threads,
                                            .memory_limit = config->memory_limit,
                                            .device_memory = config->device_memory};
    s = firered_inspect(&options, &report, err);
    if (s == STATUS_OK && json)
        s = json_out(report_json(model.name, report), err);
    else if (report && !json && (fputs(report, stdout) < 0 || fflush(stdout) != 0) &&
             s == STATUS_OK)
        s = fail(err, STATUS_IO, "cannot write the report");
    free(report);
    model_place_free(&model);
    return s;
}

/* A word that is no file, and not named like a picture, but has the form of an id is a model. */
static bool is_model_id(const char *word) {
    struct hub_id id;
    struct stat st;
    const char *dot = strrchr(word, '.');
    enum picture_format format;
    if (dot && picture_format_from_name(&format, dot + 1)) return false;
    return stat(word, &st) != 0 && hub_id_parse(&id, word);
}

static int info(const struct config *config, const struct args *args, struct error *err) {
    const char *word = args_last(args, "");
    size_t words = 0;
    for (size_t i = 0; i < args->count; i++) words += *args->list[i].flag == '\0';
    if (words > 1) {
        fail(err, STATUS_INVALID, "one picture at a time: %zu were named", words);
        return EXIT_USAGE;
    }
    bool json = args_last(args, "json") != NULL;
    struct config named = *config;
    if (word && is_model_id(word)) {
        named.model_id = (char *)word;
        word = NULL;
    }
    enum status s = word ? tell_picture(word, json, err) : tell_model(&named, json, err);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct arg_spec own[] = {{"", "FILE"}, {"json", NULL}, {NULL, NULL}};

const struct command command_info = {
    .name = "info",
    .summary = "how a picture was made, or what a model is and takes",
    .help = "usage: firered info FILE [--json]\n"
            "       firered info [ORG/NAME[@REV] | --model M] [--json] [FLAGS]\n\n"
            "Of a picture's FILE: format, size, and the prompt, seed and settings that made\n"
            "it, which a PNG from firered tells.  Of a model: checks every tensor by name and\n"
            "shape without loading it, and tells sizes, memory, device, defaults and the\n"
            "estimated time of an edit with them; of one in the cache that is not whole, what\n"
            "is missing.\n\n"
            "  --json   for machines, on one line\n",
    .options = OPTION_INFO,
    .own = own,
    .work = info,
};
