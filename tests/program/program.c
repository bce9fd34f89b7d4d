/*
 * Command lines are lists of words; damaged models are folders of links to the real one, in which
 * single files are replaced.
 */
#include "program/program.h"

#include <dirent.h>
#include <jansson.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/decode.h"

/* ---- command lines ---- */

void line_start(struct command_line *l, const char *command) {
    l->count = 1;
    l->words[0] = command;
    l->words[1] = NULL;
}

void line_add(struct command_line *l, const char *flag, const char *format, ...) {
    assert_true(l->count + 2 <= MAX_WORDS);
    l->words[l->count++] = flag;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->texts[l->count], sizeof l->texts[0], format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof l->texts[0]);
    l->words[l->count] = l->texts[l->count];
    l->words[++l->count] = NULL;
}

void line_add_switch(struct command_line *l, const char *flag) {
    assert_true(l->count + 1 <= MAX_WORDS);
    l->words[l->count] = flag;
    l->words[++l->count] = NULL;
}

void line_add_case(struct command_line *l, const struct reference_case *c, const char *model) {
    line_add(l, "--model", "%s", model);
    for (size_t i = 0; i < c->edit.picture_count; i++)
        line_add(l, "--image", "%s/input%zu.png", c->folder, i);
    line_add(l, "--prompt", "%s", c->prompt);
    if (c->negative_prompt) line_add(l, "--negative-prompt", "%s", c->negative_prompt);
    line_add(l, "--seed", "%llu", (unsigned long long)c->edit.seed);
    line_add(l, "--steps", "%d", c->edit.steps);
    line_add(l, "--guidance-scale", "%.17g", c->edit.guidance_scale);
    if (c->edit.width) {
        line_add(l, "--width", "%d", c->edit.width);
        line_add(l, "--height", "%d", c->edit.height);
    }
    line_add(l, "--dtype", "%s", c->bfloat16 ? "bfloat16" : "float32");
}

void line_start_small_edit(struct command_line *l, const char *model) {
    line_start(l, "edit");
    line_add(l, "--model", "%s", model);
    line_add(l, "--image", "%s", TEST_DATA "/decode/rgb.png");
    line_add(l, "--prompt", "a red hat");
    line_add(l, "--steps", "1");
    line_add(l, "--guidance-scale", "1");
    line_add(l, "--seed", "1");
    line_add(l, "--dtype", "float32");
}

void line_run(const struct command_line *l, struct child *c) {
    child_start(c, FIRERED_PROGRAM, l->words);
    child_wait(c);
}

void line_run_well(const struct command_line *l, struct child *c) {
    line_run(l, c);
    if (c->status != 0 || *c->err) fail_msg("status %d: %s", c->status, c->err);
}

static char story[300];

void tell_story(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(story, sizeof story, format, args);
    va_end(args);
}

void line_run_badly(const struct command_line *l, const char *part) {
    static struct child c;
    line_run(l, &c);
    if (c.status < 1 || c.status > 127) fail_msg("%s: status %d: %s", story, c.status, c.err);
    if (getenv("FIRERED_SHOW_SENTENCES")) print_message("%s", c.err);
    const char *end = strchr(c.err, '\n');
    if (!end || end[1] || strncmp(c.err, "firered ", 8) != 0 || end - c.err < 20)
        fail_msg("%s: not one sentence: %s", story, c.err);
    if (!strstr(c.err, part)) fail_msg("%s: nothing about \"%s\": %s", story, part, c.err);
    assert_string_equal(c.out, "");
}

/* ---- files ---- */

void read_picture(struct picture *out, const char *path) {
    struct buffer file = read_bytes(path);
    struct error err = {{0}};
    if (picture_decode(out, file.data, file.size, 1 << 24, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    buffer_free(&file);
}

bool same_files(const char *a, const char *b) {
    struct buffer x = read_bytes(a), y = read_bytes(b);
    bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    buffer_free(&x);
    buffer_free(&y);
    return same;
}

int count_files(const char *folder) {
    DIR *d = opendir(folder);
    if (!d) return 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) n++;
    closedir(d);
    return n;
}

/* ---- models ---- */

void cut_file(const char *path, long size) {
    struct buffer b = read_bytes(path);
    long keep = size < 0 ? (long)b.size + size : size;
    assert_true(keep >= 0 && (size_t)keep < b.size);
    write_bytes(path, b.data, (size_t)keep);
    buffer_free(&b);
}

void patch_json(const char *path, const char *key, const char *value) {
    char word[64];
    json_t *root = json_load_file(path, 0, NULL), *at = root;
    assert_non_null(root);
    const char *dot;
    for (; (dot = strchr(key, '.')); key = dot + 1) {
        snprintf(word, sizeof word, "%.*s", (int)(dot - key), key);
        at = json_object_get(at, word);
        assert_true(json_is_object(at));
    }
    if (value) {
        /* jansson reads no number as large as some of the tests', so those go in as text. */
        assert_int_equal(json_object_set_new(at, key, json_string("@value@")), 0);
    } else {
        assert_int_equal(json_object_del(at, key), 0);
    }
    char *text = json_dumps(root, JSON_INDENT(1)),
         *place = value ? strstr(text, "\"@value@\"") : NULL;
    struct buffer b = {0};
    if (place) buffer_printf(&b, "%.*s%s%s", (int)(place - text), text, value, place + 9);
    write_text(path, place ? b.data : text);
    buffer_free(&b);
    free(text);
    json_decref(root);
}
