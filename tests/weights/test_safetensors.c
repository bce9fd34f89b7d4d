/*
 * One safetensors file: what a good one gives, and that every way of being bad has its own refusal.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/files.h"
#include "weights/safetensors.h"
#include "weights/weights.h"

/* A header of one tensor "t", and of two, "t" and "u". */
#define T(dtype, shape, offsets)                                                                   \
    "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TU(t_offsets, u_offsets)                                                                   \
    "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" t_offsets "},"                     \
    "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" u_offsets "}}"

static const struct bad {
    const char *name, *header;
    size_t data;      /* bytes after the header */
    uint64_t length;  /* written as the header's, unless 0 */
    const char *says; /* part of the sentence */
} BAD[] = {
    {"header-longer-than-file", "{}", 0, 4000, "is truncated: 16 bytes, needs 4008 for its header"},
    {"header-over-limit", "{}", 0, 100000001, "header would have 100000001 bytes"},
    {"header-length-all-ones", "{}", 0, UINT64_MAX, "is no safetensors file"},
    {"header-cut", T("\"F32\"", "[2]", "[0,8]"), 8, 20, "not valid JSON"},
    {"header-empty-text", "        ", 0, 0, "header is not a JSON object"},
    {"header-array", "[1]", 0, 0, "header is not a JSON object"},
    {"header-string", "\"a\"", 0, 0, "header is not a JSON object"},
    {"header-number", "7", 0, 0, "header is not a JSON object"},
    {"header-leading-space", " {}", 0, 0, "header is not a JSON object"},
    {"header-no-json", "{nonsense}", 0, 0, "not valid JSON"},
    {"header-trailing-garbage", "{} x", 0, 0, "not valid JSON"},
    {"header-two-objects", "{}{}", 0, 0, "not valid JSON"},
    {"header-bad-utf8", "{\"\xff\":1}", 0, 0, "not valid JSON"},
    {"header-deep", "{\"t\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, 0, "not valid JSON"},
    {"duplicate-name",
     "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     1, 0, "duplicate object key"},
    {"duplicate-field",
     "{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0,
     "duplicate object key"},
    {"name-empty", "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0,
     "name is empty"},
    {"name-newline", "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0,
     "tensor \"a?b\" has a control character"},
    {"name-nul", "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0,
     "not valid JSON"},
    {"entry-number", "{\"t\":1}", 0, 0, "entry of tensor \"t\" is not an object"},
    {"entry-null", "{\"t\":null}", 0, 0, "entry of tensor \"t\" is not an object"},
    {"entry-empty", "{\"t\":{}}", 0, 0, "tensor \"t\" has no \"dtype\""},
    {"dtype-number", T("32", "[2]", "[0,8]"), 8, 0, "tensor \"t\" has no \"dtype\" string"},
    {"dtype-unknown", T("\"F31\"", "[2]", "[0,8]"), 8, 0, "\"t\" has the unknown dtype \"F31\""},
    {"dtype-lower-case", T("\"f32\"", "[2]", "[0,8]"), 8, 0, "unknown dtype \"f32\""},
    {"dtype-nul", T("\"F32\\u0000\"", "[2]", "[0,8]"), 8, 0, "has no \"dtype\" string"},
    {"dtype-sub-byte", T("\"F4\"", "[2]", "[0,1]"), 1, 0, "unknown dtype \"F4\""},
    {"shape-missing", "{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, 0,
     "\"t\" has no \"shape\" array"},
    {"shape-number", T("\"F32\"", "2", "[0,8]"), 8, 0, "\"t\" has no \"shape\" array"},
    {"shape-negative", T("\"F32\"", "[-2]", "[0,8]"), 8, 0, "dimension 0 is not a whole number"},
    {"shape-two-negative", T("\"F32\"", "[-1,-2]", "[0,8]"), 8, 0,
     "dimension 0 is not a whole number"},
    {"shape-real", T("\"F32\"", "[1,2.0]", "[0,8]"), 8, 0, "dimension 1 is not a whole number"},
    {"shape-string", T("\"F32\"", "[\"2\"]", "[0,8]"), 8, 0, "dimension 0 is not a whole number"},
    {"shape-true", T("\"F32\"", "[true]", "[0,4]"), 4, 0, "dimension 0 is not a whole number"},
    {"shape-rank-9", T("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, 0,
     "has 9 dimensions; at most 8"},
    {"shape-product-overflows", T("\"F32\"", "[4294967296,4294967296]", "[0,8]"), 8, 0,
     "too large to count"},
    {"shape-bytes-overflow", T("\"F32\"", "[4611686018427387904]", "[0,8]"), 8, 0,
     "too large to count"},
    {"shape-overflow-before-zero", T("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), 0, 0,
     "too large to count"},
    {"shape-overflow-after-zero", T("\"F32\"", "[0,4294967296,4294967296]", "[0,0]"), 0, 0,
     "too large to count"},
    {"shape-too-big-integer", T("\"F32\"", "[99999999999999999999]", "[0,8]"), 8, 0,
     "not valid JSON"},
    {"offsets-missing", "{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, 0,
     "\"data_offsets\" must be two"},
    {"offsets-one", T("\"F32\"", "[2]", "[8]"), 8, 0, "\"data_offsets\" must be two"},
    {"offsets-three", T("\"F32\"", "[2]", "[0,8,8]"), 8, 0, "\"data_offsets\" must be two"},
    {"offsets-object", T("\"F32\"", "[2]", "{}"), 8, 0, "\"data_offsets\" must be two"},
    {"offsets-real", T("\"F32\"", "[2]", "[0.0,8.0]"), 8, 0, "\"data_offsets\" must be two"},
    {"offsets-negative", T("\"F32\"", "[2]", "[-8,0]"), 8, 0, "\"data_offsets\" must be two"},
    {"offsets-reversed", T("\"F32\"", "[2]", "[8,0]"), 8, 0,
     "\"t\" begins at 8, after its end at 0"},
    {"size-too-small", T("\"F32\"", "[3]", "[0,8]"), 8, 0,
     "\"t\" needs 12 bytes for its shape in F32 but has 8"},
    {"size-too-large", T("\"F32\"", "[1]", "[0,8]"), 8, 0,
     "\"t\" needs 4 bytes for its shape in F32 but has 8"},
    {"size-scalar", T("\"F32\"", "[]", "[0,0]"), 0, 0, "\"t\" needs 4 bytes"},
    {"size-none-but-room", T("\"F32\"", "[0]", "[0,8]"), 8, 0, "\"t\" needs 0 bytes"},
    {"size-other-dtype", T("\"BF16\"", "[2]", "[0,8]"), 8, 0,
     "\"t\" needs 4 bytes for its shape in BF16"},
    {"truncated-data", T("\"F32\"", "[2]", "[0,8]"), 7, 0,
     "is truncated: 71 bytes, needs 72 for tensor \"t\""},
    {"truncated-all-data", T("\"F32\"", "[2]", "[0,8]"), 0, 0, "is truncated: 64 bytes, needs 72"},
    {"end-huge", T("\"U8\"", "[9223372036854775807]", "[0,9223372036854775807]"), 8, 0,
     "is truncated"},
    {"overlap", TU("[0,8]", "[4,12]"), 12, 0, "tensor \"u\" overlaps \"t\""},
    {"overlap-same-place", TU("[0,8]", "[0,8]"), 8, 0, "overlaps"},
    {"hole-at-start", T("\"F32\"", "[2]", "[8,16]"), 16, 0,
     "8 bytes before tensor \"t\" belong to no tensor"},
    {"hole-between", TU("[0,8]", "[12,20]"), 20, 0,
     "4 bytes before tensor \"u\" belong to no tensor"},
    {"hole-at-end", TU("[0,8]", "[8,16]"), 20, 0, "last 4 bytes belong to no tensor"},
    {"no-tensors-but-data", "{}", 3, 0, "last 3 bytes belong to no tensor"},
    {"metadata-number", "{\"__metadata__\":1}", 0, 0, "\"__metadata__\" is not an object"},
    {"metadata-of-numbers", "{\"__metadata__\":{\"a\":\"b\",\"step\":1}}", 0, 0,
     "value of \"step\" is not a string"},
    {"metadata-nested", "{\"__metadata__\":{\"a\":{}}}", 0, 0, "value of \"a\" is not a string"},
};

/* Opens FOLDER/FILE and checks the refusal: one line, that names the file and says `says`. */
static void assert_refused(const char *path, const char *file, enum status why, const char *says) {
    struct error err = {""};
    struct weights *w = (struct weights *)&err;
    enum status s = weights_open_file(&w, path, &err);
    if (s != why || !strstr(err.text, says) || !strstr(err.text, file) || strchr(err.text, '\n'))
        fail_msg("%s: status %d, \"%s\" instead of \"%s\"", file, s, err.text, says);
    assert_null(w);
}

static void bad_files_are_refused(void **state) {
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *path = in_folder(*state, BAD[i].name);
        write_raw(path, BAD[i].header, true, BAD[i].length, BAD[i].data);
        assert_refused(path, BAD[i].name, STATUS_INVALID, BAD[i].says);
    }
    assert_true(sizeof BAD / sizeof BAD[0] >= 40);
}

static void bytes_that_are_no_header_are_refused(void **state) {
    const char *path = in_folder(*state, "few");
    write_bytes(path, "", 0);
    assert_refused(path, "few", STATUS_INVALID, "is empty");
    write_bytes(path, "\x02\0\0\0\0\0\0", 7);
    assert_refused(path, "few", STATUS_INVALID, "it has only 7 bytes");
    write_bytes(path, "\0\0\0\0\0\0\0\0{}", 10);
    assert_refused(path, "few", STATUS_INVALID, "header's length is 0");
    write_bytes(path, "\x02\0\0\0\0\0\0\0", 8);
    assert_refused(path, "few", STATUS_INVALID, "is truncated: 8 bytes, needs 10");
}

static void other_kinds_are_named(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } kinds[] = {
#define BYTES(text) text, sizeof(text) - 1
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
         "is a git-LFS pointer, not the file that it stands for: weights must be safetensors"},
        {BYTES("<!DOCTYPE html>\n<html>sign in</html>"), "is an HTML web page"},
        {BYTES("<html>"), "is an HTML web page"}, /* shorter than a header's length */
        {BYTES("\x80\x02}q\0(X\5\0\0\0stateq\1}q\2u."), "is a Python pickle"},
        {BYTES("\x80\x04\x95\x2c\0\0\0\0\0\0\0}\x94."), "is a Python pickle"},
        {BYTES("PK\3\4\x14\0\0\x08\x08\0archive/data.pkl"), "is a zip archive"},
        {BYTES("GGUF\3\0\0\0\1\0\0\0\0\0\0\0"), "is a GGUF file"},
        {BYTES("\x1f\x8b\x08\0\0\0\0\0\0\3zzzz"), "is a gzip file"},
        {BYTES("{\"error\": \"Repository not found\"}"), "is a JSON text"},
        {BYTES("nothing that is known"), "is no safetensors file: its header would have"},
#undef BYTES
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *path = in_folder(*state, "kind.safetensors");
        write_bytes(path, kinds[i].bytes, kinds[i].size);
        assert_refused(path, "kind.safetensors", STATUS_INVALID, kinds[i].says);
    }
}

/* As MLX writes them: in name order, behind a header without padding. */
static void numbers_need_not_be_aligned(void **state) {
    static const char header[] = "{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[2,10]}}";
    const float b[2] = {1.5f, -7};
    for (int blanks = 0; blanks < 4; blanks++) {
        char file[256];
        uint64_t length = sizeof header - 1 + (size_t)blanks;
        memcpy(file, &length, 8); /* little endian here, too */
        memcpy(file + 8, header, sizeof header - 1);
        memset(file + 8 + sizeof header - 1, ' ', (size_t)blanks);
        memcpy(file + 8 + length, "\x80\x3f", 2);
        memcpy(file + 8 + length + 2, b, sizeof b);
        const char *path = in_folder(*state, "mlx.safetensors");
        write_bytes(path, file, 8 + length + 10);
        struct weights *w;
        struct error err;
        float got[2];
        assert_int_equal(weights_open_file(&w, path, &err), STATUS_OK);
        weight_floats(got, weights_find(w, "a"), 0, 1);
        assert_true(got[0] == 1.0f);
        weight_floats(got, weights_find(w, "b"), 0, 2);
        assert_memory_equal(got, b, sizeof b);
        weights_prefetch(weights_find(w, "b"));
        weights_release(weights_find(w, "b"));
        weights_close(w);
    }
}

static void what_is_no_file_is_refused(void **state) {
    assert_refused(in_folder(*state, "absent"), "absent", STATUS_IO, "cannot open");
    const char *path = in_folder(*state, "folder");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(path, "folder", STATUS_INVALID, "is not a regular file");
    path = in_folder(*state, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "pipe", STATUS_INVALID, "is not a regular file");
    assert_refused("/dev/zero", "zero", STATUS_INVALID, "is not a regular file");
    path = in_folder(*state, "loop");
    assert_int_equal(symlink("loop", path), 0);
    assert_refused(path, "loop", STATUS_IO, "cannot open");
    if (geteuid() == 0) return; /* who may do everything meets no locked door */
    path = in_folder(*state, "locked");
    write_text(path, "x");
    assert_int_equal(chmod(path, 0), 0);
    assert_refused(path, "locked", STATUS_IO, "cannot open");
}

static void long_names_leave_room_for_the_reason(void **state) {
    char header[5000] = "{\"";
    memset(header + 2, 'x', 4000);
    snprintf(header + 4002, 100, "\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    const char *path = in_folder(*state, "long");
    write_raw(path, header, true, 0, 4);
    assert_refused(path, "long", STATUS_INVALID, "unknown dtype \"F99\"");
}

static void other_formats_are_read_but_are_no_weights(void **state) {
    static const char *const DTYPES[] = {"F64",     "I64",     "U64", "I32",  "U32",
                                         "I16",     "U16",     "I8",  "BOOL", "F8_E4M3",
                                         "F8_E5M2", "F8_E8M0", "C64", "U8"};
    static const size_t SIZES[] = {8, 8, 8, 4, 4, 2, 2, 1, 1, 1, 1, 1, 8, 1};
    for (size_t i = 0; i < sizeof DTYPES / sizeof DTYPES[0]; i++) {
        const uint64_t data[3] = {1, 2, 3};
        const char *path = in_folder(*state, DTYPES[i]);
        write_tensors(path, &(struct tensor_spec){"t", DTYPES[i], 1, {3}, data, 3 * SIZES[i]}, 1);
        struct safetensors f;
        struct error err;
        assert_int_equal(safetensors_open(&f, path, &err), STATUS_OK);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.tensors[0].dtype, DTYPES[i]);
        assert_int_equal(f.tensors[0].item_size, SIZES[i]);
        assert_memory_equal(f.data, data, 3 * SIZES[i]);
        safetensors_close(&f);
        char says[100];
        snprintf(says, sizeof says,
                 "tensor \"t\" is stored as %s; weights must be F32, BF16 or F16", DTYPES[i]);
        assert_refused(path, DTYPES[i], STATUS_INVALID, says);
    }
}

static void good_files_give_their_tensors(void **state) {
    const float f32[6] = {1, -2, 3.5f, 0, 1e30f, -0.0f};
    const uint16_t bf16[2] = {0x3f80, 0xc000}, f16[4] = {0x3c00, 0xc000, 0x7bff, 1};
    const struct tensor_spec made[] = {
        {"z.weight", "F32", 2, {2, 3}, f32, sizeof f32},
        {"b", "BF16", 1, {2}, bf16, sizeof bf16},
        {"half", "F16", 4, {1, 2, 2, 1}, f16, sizeof f16},
        {"scalar", "F32", 0, {0}, f32, 4},
        {"nothing", "F32", 2, {0, 5}, f32, 0},
        {"eight", "F32", 8, {1, 1, 1, 1, 1, 1, 1, 2}, f32, 8},
    };
    const char *path = in_folder(*state, "good.safetensors");
    write_tensors(path, made, 6);
    struct weights *w;
    struct error err;
    assert_int_equal(weights_open_file(&w, path, &err), STATUS_OK);
    assert_int_equal(weights_count(w), 6);
    assert_string_equal(weights_at(w, 0)->name, "b");
    assert_string_equal(weights_at(w, 5)->name, "z.weight");
    for (size_t i = 0; i < 6; i++) {
        const struct weight *t = weights_find(w, made[i].name);
        assert_non_null(t);
        assert_string_equal(t->file, "good.safetensors");
        assert_int_equal(t->rank, made[i].rank);
        assert_memory_equal(t->shape, made[i].shape, sizeof t->shape);
        assert_int_equal(dtype_bytes(t->dtype, (size_t)t->count), made[i].size);
        if (made[i].size) assert_memory_equal(t->data, made[i].data, made[i].size);
        assert_int_equal((uintptr_t)t->data % dtype_bytes(t->dtype, 1), 0);
        weights_prefetch(t);
        weights_release(t);
        if (made[i].size) assert_memory_equal(t->data, made[i].data, made[i].size);
    }
    assert_int_equal(weights_find(w, "half")->dtype, DTYPE_F16);
    assert_int_equal(weights_find(w, "b")->dtype, DTYPE_BF16);
    assert_null(weights_find(w, "z"));
    assert_null(weights_find(w, ""));
    assert_null(weights_find(w, "zz"));
    weights_close(w);
    weights_close(NULL);
}

static void metadata_is_found_by_key(void **state) {
    const char *path = in_folder(*state, "m.safetensors");
    const char *const text = "{\"r\": \"\\\\\"}\n", *const keys[] = {"form", "formats", ""};
    write_tensors_with(path, "format", text, NULL, 0);
    struct weights *w;
    assert_int_equal(weights_open_file(&w, path, NULL), STATUS_OK);
    assert_string_equal(weights_metadata(w, "format"), text);
    for (size_t i = 0; i < 3; i++) assert_null(weights_metadata(w, keys[i]));
    weights_close(w);
    write_tensors(path, NULL, 0);
    assert_int_equal(weights_open_file(&w, path, NULL), STATUS_OK);
    assert_null(weights_metadata(w, "format"));
    weights_close(w);
}

static void metadata_and_no_tensors_are_fine(void **state) {
    static const char *const HEADERS[] = {
        "{}", "{\"__metadata__\":{}}", "{\"__metadata__\":{\"format\":\"pt\"}}      ",
        "{\"__metadata__\":null}", "{\"__metadata__\":{\"note\":\"a\\u0000b\"}}"};
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        const char *path = in_folder(*state, "none");
        write_raw(path, HEADERS[i], true, 0, 0);
        struct weights *w;
        struct error err;
        assert_int_equal(weights_open_file(&w, path, &err), STATUS_OK);
        assert_int_equal(weights_count(w), 0);
        assert_null(weights_find(w, "__metadata__"));
        weights_close(w);
    }
}

static void a_header_in_memory_needs_no_data(void **state) {
    (void)state;
    const char head[] =
        "\x38\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}} ";
    struct safetensors f;
    struct error err;
    assert_int_equal(safetensors_parse(&f, head, 64, 72, "memory", &err), STATUS_OK);
    assert_int_equal(f.count, 1);
    assert_null(f.data);
    assert_int_equal(f.data_size, 8);
    safetensors_close(&f);
    assert_int_equal(safetensors_parse(&f, head, 63, 72, "memory", &err), STATUS_INVALID);
    assert_int_equal(safetensors_parse(&f, head, 64, 71, "memory", NULL), STATUS_INVALID);
    assert_null(f.tensors);
    safetensors_close(&f);
    safetensors_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_files_are_refused, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_header_are_refused, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(other_kinds_are_named, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(numbers_need_not_be_aligned, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(long_names_leave_room_for_the_reason, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(other_formats_are_read_but_are_no_weights, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(good_files_give_their_tensors, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(metadata_is_found_by_key, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(metadata_and_no_tensors_are_fine, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test(a_header_in_memory_needs_no_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
