/*
 * Flags are read group by group, each into its own fields, and the first that is wrong ends it.
 * The outputs' names come last: they hang on the inputs, the seeds and --output.
 */
#include "cli/edit_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/picture_file.h"
#include "config/options.h"
#include "config/values.h"

static enum status read_inputs(struct edit_request *r, const struct args *args, struct error *err) {
    bool from_stdin = false;
    for (size_t i = 0; i < args->count; i++) {
        const char *value = args->list[i].value;
        if (strcmp(args->list[i].flag, "image") != 0) continue;
        if (!*value) return fail(err, STATUS_INVALID, "--image needs the name of a file");
        if (r->input_count == FIRERED_MAX_PICTURES)
            return fail(err, STATUS_INVALID, "--image was given more than %d times",
                        FIRERED_MAX_PICTURES);
        if (is_stdio(value) && from_stdin)
            return fail(err, STATUS_INVALID, "only one --image can be standard input");
        from_stdin = from_stdin || is_stdio(value);
        enum status s = picture_file_check(value, err);
        if (s != STATUS_OK) return s;
        r->inputs[r->input_count++] = value;
    }
    if (r->input_count == 0)
        return fail(err, STATUS_INVALID, "no picture to edit: name one with --image");
    return STATUS_OK;
}

/* The fields of a request that are flags here as they stand in the table. */
static enum status read_fields(struct edit_request *r, const struct args *args, struct error *err) {
    struct field_values v = field_values_default();
    enum status s = STATUS_OK;
    for (size_t i = 0; i < field_count && s == STATUS_OK; i++)
        if (field_table[i].places & FIELD_OF_COMMAND)
            s = flag_field(args, &field_table[i], &v, err);
    if (s != STATUS_OK) return s;
    const char *size = args_last(args, "size");
    if (!v.width != !v.height)
        return fail(err, STATUS_INVALID, "--width and --height go together: give both or none");
    if (v.width && size && *size)
        return fail(err, STATUS_INVALID, "give either --size or --width and --height, not both");
    r->steps = v.steps;
    r->guidance_scale = v.guidance_scale;
    r->width = v.width ? v.width : v.size.width;
    r->height = v.height ? v.height : v.size.height;
    r->input_size = v.size.input;
    return STATUS_OK;
}

/* A random seed has 32 bits only: short enough to be copied by hand. */
static enum status random_seed(uint64_t *out, struct error *err) {
    uint32_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return fail(err, STATUS_INTERNAL, "the system gives no random seed: name one with --seed");
    *out = random;
    return STATUS_OK;
}

static enum status read_seed(const char *text, uint64_t *out, struct error *err) {
    struct shown_value shown;
    if (!*text || strcmp(text, "-1") == 0) return random_seed(out, err);
    value_show(&shown, text);
    if (!value_uint64(text, out))
        return fail(err, STATUS_INVALID,
                    "--seed %s: must be a whole number from 0 to 18446744073709551615, or -1 for a "
                    "random one",
                    shown.text);
    return STATUS_OK;
}

/* Every --seed is a picture; with --count, the one seed and those that follow it, or random ones. */
static enum status read_seeds(struct edit_request *r, const struct args *args, struct error *err) {
    int count = 0;
    enum status s = flag_int(args, "count", 1, EDIT_COUNT_MAX, &count, err);
    if (s != STATUS_OK) return s;
    r->seeds = calloc(args->count + (size_t)count + 1, sizeof *r->seeds);
    if (!r->seeds) return fail(err, STATUS_NO_MEMORY, "no memory for the seeds");
    bool random = true;
    for (size_t i = 0; i < args->count; i++) {
        const char *value = args->list[i].value;
        if (strcmp(args->list[i].flag, "seed") != 0) continue;
        random = !*value || strcmp(value, "-1") == 0;
        s = read_seed(value, &r->seeds[r->count++], err);
        if (s != STATUS_OK) return s;
    }
    if (r->count > EDIT_COUNT_MAX)
        return fail(err, STATUS_INVALID, "--seed was given more than %d times", EDIT_COUNT_MAX);
    if (r->count > 1 && count > 0)
        return fail(err, STATUS_INVALID, "give either several --seed or --count, not both");
    if (r->count == 0) s = random_seed(&r->seeds[r->count++], err);
    for (; r->count < (size_t)count && s == STATUS_OK; r->count++) {
        r->seeds[r->count] = r->seeds[r->count - 1] + 1;
        if (random) s = random_seed(&r->seeds[r->count], err);
    }
    return s;
}

/* Where the extension of a file's name begins: at its last dot, if that is inside the name. */
static size_t stem_length(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? (size_t)(dot - path) : strlen(path);
}

/* What the outputs are called: `folder`, the first `stem` bytes of `base`, `middle`, a number where
 * there are several, `end`. */
struct output_name {
    const char *folder, *base;
    size_t stem;
    const char *middle, *end;
};

static struct output_name derived_name(const struct edit_request *r) {
    const char *input = r->inputs[r->input_count - 1];
    return (struct output_name){"", input, stem_length(input), "-edited", ".png"};
}

/* In a folder the picture is called as it would be beside its input. */
static struct output_name name_in_folder(const struct edit_request *r, const char *folder) {
    struct output_name n = derived_name(r);
    const char *slash = strrchr(n.base, '/'), *name = slash ? slash + 1 : n.base;
    n.folder = folder;
    n.stem -= (size_t)(name - n.base);
    n.base = name;
    if (!is_stream(r->inputs[r->input_count - 1])) return n;
    n.base = n.middle = "";
    n.stem = 0;
    n.end = "edited.png";
    return n;
}

static enum status name_outputs(struct edit_request *r, const char *output, bool folder,
                                struct error *err) {
    r->outputs = calloc(r->count, sizeof *r->outputs);
    enum status s = r->outputs ? STATUS_OK : STATUS_NO_MEMORY;
    if (!output && is_stream(r->inputs[r->input_count - 1])) output = "-";
    if (output && is_stdio(output) && r->count > 1)
        return fail(err, STATUS_INVALID,
                    "standard output takes one picture: name a file with --output");
    struct output_name n = derived_name(r);
    if (folder)
        n = name_in_folder(r, output);
    else if (output)
        n = (struct output_name){"", output, stem_length(output), "", output + stem_length(output)};
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++) {
        struct buffer name = {0};
        bool slash = folder && output[strlen(output) - 1] != '/';
        s = buffer_printf(&name, "%s%s%.*s%s", n.folder, slash ? "/" : "", (int)n.stem, n.base,
                          n.middle);
        if (s == STATUS_OK && r->count > 1) s = buffer_printf(&name, "-%zu", i + 1);
        if (s == STATUS_OK) s = buffer_printf(&name, "%s", n.end);
        r->outputs[i] = name.data;
    }
    return s == STATUS_OK ? s : fail(err, s, "no memory for the outputs' names");
}

/* Of the settings a service takes only these from a request; the others are its own.  In the
 * environment they stay without effect, but a flag would be ignored without a word. */
static bool is_for_servers(const struct option *o) {
    return strcmp(o->variable, "API_KEY") == 0 || strcmp(o->variable, "NEGATIVE_PROMPT") == 0;
}

static enum status read_server(struct edit_request *r, const struct args *args, struct error *err) {
    const char *server = args_last(args, "server");
    struct shown_value shown;
    if (!server || !*server) return STATUS_OK;
    value_show(&shown, server);
    if (!value_url(server))
        return fail(err, STATUS_INVALID,
                    "--server %s: must be a URL that starts with http:// or https://", shown.text);
    r->server = server;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        char flag[OPTION_FLAG_SIZE];
        option_flag(o, flag);
        bool given = args_last(args, flag) || (o->alias && args_last(args, o->alias));
        if (given && !is_for_servers(o))
            return fail(err, STATUS_INVALID,
                        "--%s is for edits on this machine: the server has a setting of its own",
                        o->alias ? o->alias : flag);
    }
    return STATUS_OK;
}

static enum status read_output(struct edit_request *r, const struct args *args, struct error *err) {
    const char *output = args_last(args, "output");
    bool folder = output && output_is_folder(output);
    r->format = PICTURE_PNG;
    enum status s = STATUS_OK;
    if (output && !*output)
        s = fail(err, STATUS_INVALID, "--output needs the name of a file");
    else if (output && !folder && !is_stdio(output))
        s = output_format(&r->format, output, err);
    if (s == STATUS_OK) s = name_outputs(r, output, folder, err);
    if (s != STATUS_OK || !edit_request_to_stdout(r)) return s;
    if (isatty(STDOUT_FILENO))
        return fail(err, STATUS_INVALID,
                    "a picture is nothing for a terminal: name a file with --output");
    if (r->json)
        return fail(err, STATUS_INVALID,
                    "--json and the picture cannot both go to standard output: name a file with "
                    "--output");
    return STATUS_OK;
}

enum status edit_request_read(struct edit_request *r, const struct args *args, struct error *err) {
    *r = (struct edit_request){.guidance_scale = -1.0};
    enum status s = read_inputs(r, args, err);
    if (s != STATUS_OK) return s;
    r->prompt = args_last(args, "prompt");
    if (r->prompt) r->prompt = utf8_skip_mark(r->prompt);
    if (!r->prompt || utf8_is_blank(r->prompt, strlen(r->prompt)))
        return fail(err, STATUS_INVALID, "no prompt: say with --prompt what to change");
    r->negative_prompt = args_last(args, "negative-prompt");
    if (r->negative_prompt) r->negative_prompt = utf8_skip_mark(r->negative_prompt);
    r->force = args_last(args, "force") != NULL;
    r->json = args_last(args, "json") != NULL;
    r->verbose = args_last(args, "verbose") != NULL;
    r->pull = args_last(args, "pull") != NULL;
    s = read_fields(r, args, err);
    if (s == STATUS_OK) s = read_server(r, args, err);
    if (s == STATUS_OK) s = read_seeds(r, args, err);
    if (s == STATUS_OK) s = read_output(r, args, err);
    return s;
}

bool edit_request_to_stdout(const struct edit_request *r) {
    return is_stdio(r->outputs[0]);
}

void edit_request_free(struct edit_request *r) {
    for (size_t i = 0; r->outputs && i < r->count; i++) free(r->outputs[i]);
    free(r->outputs);
    free(r->seeds);
    *r = (struct edit_request){0};
}
