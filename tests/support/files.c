/*
 * A safetensors file is a length, a JSON header and the data; both are put together in memory,
 * wrong on purpose where a test asks for it.
 */
#include "support/files.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/unit_test.h"

char *temporary_folder(void) {
    const char *base = getenv("TMPDIR");
    struct buffer path = {0};
    assert_int_equal(buffer_printf(&path, "%s/firered-test-XXXXXX", base && *base ? base : "/tmp"),
                     0);
    assert_non_null(mkdtemp(path.data));
    return path.data;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

void remove_folder(char *folder) {
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

static int try_to_remove(const char *path, const struct stat *st, int kind, struct FTW *where) {
    remove_one(path, st, kind, where);
    return 0;
}

void abandon_folder(char *folder) {
    nftw(folder, try_to_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

int folder_set_up(void **state) {
    *state = temporary_folder();
    return 0;
}

int folder_tear_down(void **state) {
    remove_folder(*state);
    return 0;
}

const char *in_folder(const char *folder, const char *name) {
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", folder, name) < (int)sizeof paths[0]);
    return path;
}

struct buffer read_bytes(const char *path) {
    struct buffer bytes = {0};
    struct error err = {{0}};
    if (buffer_read_file(&bytes, path, 1 << 30, &err) != STATUS_OK) fail_msg("%s", err.text);
    return bytes;
}

bool text_from_file(const char *path, char *out, size_t size) {
    FILE *f = fopen(path, "rb");
    out[0] = '\0';
    if (!f) return false;
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
    return true;
}

void let_file_times_pass(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* two ticks of the slowest kernel */
}

void write_bytes(const char *path, const void *bytes, size_t size) {
    unlink(path);
    FILE *f = fopen(path, "wb");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

void write_text(const char *path, const char *text) {
    write_bytes(path, text, strlen(text));
}

static void append(struct buffer *b, const void *bytes, size_t n) {
    assert_int_equal(buffer_append(b, bytes, n, NULL), 0);
}

static void append_header(struct buffer *file, const char *header, bool pad, uint64_t length) {
    size_t size = strlen(header), spaces = pad ? (8 - size % 8) % 8 : 0;
    uint64_t n = length ? length : size + spaces;
    for (int i = 0; i < 8; i++) append(file, &(uint8_t){(uint8_t)(n >> 8 * i)}, 1);
    append(file, header, size);
    append(file, "       ", spaces);
}

void write_raw(const char *path, const char *header, bool pad, uint64_t length, size_t data_size) {
    struct buffer file = {0};
    append_header(&file, header, pad, length);
    for (size_t i = 0; i < data_size; i++) append(&file, &(uint8_t){(uint8_t)i}, 1);
    write_bytes(path, file.data, file.size);
    buffer_free(&file);
}

static void append_string(struct buffer *json, const char *text) {
    append(json, "\"", 1);
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            assert_int_equal(buffer_printf(json, "\\u%04x", *text), 0);
        else
            append(json, (const char[]){'\\', *text} + (*text != '"' && *text != '\\'),
                   1 + (*text == '"' || *text == '\\'));
    }
    append(json, "\"", 1);
}

void write_tensors(const char *path, const struct tensor_spec *tensors, size_t n) {
    write_tensors_with(path, NULL, NULL, tensors, n);
}

void write_tensors_with(const char *path, const char *key, const char *value,
                        const struct tensor_spec *tensors, size_t n) {
    struct buffer header = {0}, file = {0};
    append(&header, "{", 1);
    if (key) {
        buffer_printf(&header, "\"__metadata__\":{\"%s\":", key);
        append_string(&header, value);
        buffer_printf(&header, n ? "}," : "}");
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor_spec *t = &tensors[i];
        buffer_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "", t->name,
                      t->dtype);
        for (int d = 0; d < t->rank; d++)
            buffer_printf(&header, "%s%lld", d ? "," : "", (long long)t->shape[d]);
        buffer_printf(&header, "],\"data_offsets\":[%zu,%zu]}", at, at + t->size);
        at += t->size;
    }
    assert_int_equal(buffer_printf(&header, "}"), 0);
    append_header(&file, header.data, true, 0);
    for (size_t i = 0; i < n; i++) append(&file, tensors[i].data, tensors[i].size);
    write_bytes(path, file.data, file.size);
    buffer_free(&header);
    buffer_free(&file);
}

/* ---- models ---- */

static const char *link_from, *link_to; /* nftw has no argument for its callback */

static int link_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st;
    (void)where;
    char to[700];
    snprintf(to, sizeof to, "%s%s", link_to, path + strlen(link_from));
    return kind == FTW_D ? mkdir(to, 0700) : symlink(path, to);
}

void link_model(const char *to, const char *from) {
    link_from = from;
    link_to = to;
    assert_int_equal(nftw(from, link_one, 8, FTW_PHYS), 0);
}
