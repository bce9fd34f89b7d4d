/*
 * One edit, and every tensor on its way, as a safetensors file: what parity.py compares with the
 * reference.  The names are those of tests/data/README.md.
 *
 *     parity_trace [--dtype D] [--threads N] [--blocks] MODEL CASE.json OUT
 *
 * writes OUT/trace.safetensors and OUT/output.png.  The case is as in tests/data: images (beside the
 * file), prompt, negative_prompt, seed, steps, guidance_scale, and width and height or neither.
 * --blocks also keeps what is between the blocks of the networks, which for a model of full size is
 * many gigabytes.
 *
 * The file's header is written last, into a place that was kept free for it: blanks after the JSON
 * belong to the format.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "firered.h"
#include "image/decode.h"
#include "image/encode.h"
#include "pipeline/edit.h"

enum { HEADER_BYTES = 1 << 20, PICTURE_BYTES = 1 << 28 };

struct recorder {
    FILE *file;
    json_t *header;
    uint64_t offset;
    bool blocks, failed;
};

struct arguments {
    const char *model, *json, *out;
    enum firered_dtype dtype;
    int threads;
    bool blocks;
};

struct job {
    struct picture pictures[FIRERED_MAX_PICTURES];
    struct firered_edit edit;
    json_t *json; /* which the edit's texts are from */
};

static void record(struct recorder *r, const char *name, const char *dtype, const void *data,
                   int64_t rows, int64_t cols) {
    bool inner = strstr(name, ".block") || strstr(name, ".hidden.");
    if (inner && !r->blocks) return;
    uint64_t bytes = (uint64_t)rows * (uint64_t)cols * 4;
    if (fwrite(data, 1, bytes, r->file) != bytes) r->failed = true;
    json_object_set_new(r->header, name,
                        json_pack("{s:s, s:[I, I], s:[I, I]}", "dtype", dtype, "shape",
                                  (json_int_t)rows, (json_int_t)cols, "data_offsets",
                                  (json_int_t)r->offset, (json_int_t)(r->offset + bytes)));
    r->offset += bytes;
}

static void record_floats(void *arg, const char *name, const float *data, int64_t rows,
                          int64_t cols) {
    record(arg, name, "F32", data, rows, cols);
}

static void record_integers(void *arg, const char *name, const int32_t *data, int64_t rows,
                            int64_t cols) {
    record(arg, name, "I32", data, rows, cols);
}

static enum status recorder_open(struct recorder *r, const char *path, bool blocks,
                                 struct error *err) {
    *r = (struct recorder){.file = fopen(path, "wb"), .header = json_object(), .blocks = blocks};
    if (!r->file || fseek(r->file, HEADER_BYTES, SEEK_SET) != 0)
        return fail(err, STATUS_IO, "cannot write %s", path);
    return STATUS_OK;
}

static enum status recorder_close(struct recorder *r, enum status s, struct error *err) {
    char *text = json_dumps(r->header, JSON_COMPACT);
    if (s == STATUS_OK && (r->failed || !text || strlen(text) > HEADER_BYTES - 8))
        s = fail(err, STATUS_IO, "cannot write the trace");
    if (s == STATUS_OK) {
        unsigned char length[8] = {0};
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)((uint64_t)(HEADER_BYTES - 8) >> (8 * i));
        rewind(r->file);
        fwrite(length, 1, 8, r->file);
        fprintf(r->file, "%-*s", HEADER_BYTES - 8, text);
    }
    free(text);
    json_decref(r->header);
    if (r->file && fclose(r->file) != 0 && s == STATUS_OK)
        s = fail(err, STATUS_IO, "cannot write the trace");
    return s;
}

static enum status open_picture(struct picture *out, const char *json, const char *name,
                                struct error *err) {
    char path[4096];
    struct buffer bytes = {0};
    const char *slash = strrchr(json, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - json) + 1 : 0, json, name);
    enum status s = buffer_read_file(&bytes, path, PICTURE_BYTES, err);
    if (s == STATUS_OK) s = picture_decode(out, bytes.data, bytes.size, PICTURE_BYTES, err);
    buffer_free(&bytes);
    return s;
}

static enum status job_open(struct job *j, const char *path, struct error *err) {
    json_error_t where;
    *j = (struct job){.json = json_load_file(path, 0, &where)};
    if (!j->json) return fail(err, STATUS_INVALID, "%s: %s", path, where.text);
    const json_t *images = json_object_get(j->json, "images"), *name;
    size_t i, count = json_array_size(images);
    if (count < 1 || count > FIRERED_MAX_PICTURES)
        return fail(err, STATUS_INVALID, "%s: \"images\" must be 1 to 3 names", path);
    json_array_foreach(images, i, name) {
        const char *file = json_string_value(name);
        enum status s = open_picture(&j->pictures[i], path, file ? file : "", err);
        if (s != STATUS_OK) return s;
    }
    const char *negative = json_string_value(json_object_get(j->json, "negative_prompt"));
    j->edit = (struct firered_edit){
        .pictures = j->pictures,
        .picture_count = count,
        .prompt = json_string_value(json_object_get(j->json, "prompt")),
        .negative_prompt = negative ? negative : " ",
        .guidance_scale = json_number_value(json_object_get(j->json, "guidance_scale")),
        .steps = (int)json_integer_value(json_object_get(j->json, "steps")),
        .seed = (uint64_t)json_integer_value(json_object_get(j->json, "seed")),
        .width = (int)json_integer_value(json_object_get(j->json, "width")),
        .height = (int)json_integer_value(json_object_get(j->json, "height"))};
    if (!j->edit.prompt) return fail(err, STATUS_INVALID, "%s: no prompt", path);
    return STATUS_OK;
}

static void job_close(struct job *j) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) picture_free(&j->pictures[i]);
    json_decref(j->json);
}

static enum status write_picture(const struct picture *p, const char *path, struct error *err) {
    struct buffer file = {0};
    enum status s = picture_encode(&file, p, PICTURE_PNG, err);
    FILE *f = s == STATUS_OK ? fopen(path, "wb") : NULL;
    if (s == STATUS_OK && (!f || fwrite(file.data, 1, file.size, f) != file.size || fclose(f) != 0))
        s = fail(err, STATUS_IO, "cannot write %s", path);
    buffer_free(&file);
    return s;
}

static enum status run(const struct firered *engine, const struct job *j, const struct arguments *a,
                       struct error *err) {
    char path[4096];
    struct recorder r;
    struct firered_result result = {0};
    snprintf(path, sizeof path, "%s/trace.safetensors", a->out);
    enum status s = recorder_open(&r, path, a->blocks, err);
    const struct trace trace = {.floats = record_floats, .integers = record_integers, .arg = &r};
    if (s == STATUS_OK) s = edit_run(engine, &j->edit, &result, &trace, err);
    s = recorder_close(&r, s, err);
    snprintf(path, sizeof path, "%s/output.png", a->out);
    if (s == STATUS_OK) s = write_picture(&result.picture, path, err);
    picture_free(&result.picture);
    return s;
}

static bool read_dtype(enum firered_dtype *out, const char *word) {
    for (int t = FIRERED_DTYPE_AUTO; t <= FIRERED_DTYPE_INT8; t++) {
        *out = (enum firered_dtype)t;
        if (strcmp(firered_dtype_name(*out), word) == 0) return true;
    }
    return false;
}

static bool read_arguments(struct arguments *a, int argc, char **argv) {
    *a = (struct arguments){0};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--blocks") == 0)
            a->blocks = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            a->threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--dtype") != 0 || i + 1 >= argc ||
                 !read_dtype(&a->dtype, argv[++i]))
            return false;
    }
    if (argc - i != 3) return false;
    a->model = argv[i];
    a->json = argv[i + 1];
    a->out = argv[i + 2];
    return true;
}

int main(int argc, char **argv) {
    struct arguments a;
    struct error err;
    struct firered *engine = NULL;
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: parity_trace [--dtype D] [--threads N] [--blocks] MODEL CASE.json "
                        "OUT\n");
        return 2;
    }
    const struct firered_options options = {
        .model = a.model, .dtype = a.dtype, .threads = a.threads};
    struct job job;
    enum status s = job_open(&job, a.json, &err);
    if (s == STATUS_OK) s = firered_open(&engine, &options, &err);
    if (s == STATUS_OK) s = run(engine, &job, &a, &err);
    if (s != STATUS_OK) fprintf(stderr, "parity_trace: %s\n", err.text);
    firered_close(engine);
    job_close(&job);
    return s == STATUS_OK ? 0 : 1;
}
