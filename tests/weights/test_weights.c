/*
 * A component's weights: one file or several shards with their index, the reference models, and the
 * published model's layout at its full size.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "support/files.h"
#include "weights/weights.h"

#define TRANSFORMER "diffusion_pytorch_model"
#define INDEX       "m.safetensors.index.json"

static struct weights *open_component(const char *folder, const char *stem, size_t count) {
    struct weights *w;
    struct error err = {""};
    if (weights_open(&w, folder, stem, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(weights_count(w), count);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(weights_at(w, i - 1)->name, weights_at(w, i)->name) < 0);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(weights_find(w, weights_at(w, i)->name), weights_at(w, i));
    return w;
}

static void assert_refused(const char *folder, const char *stem, enum status why,
                           const char *says) {
    struct weights *w = (struct weights *)&why;
    struct error err = {""};
    enum status s = weights_open(&w, folder, stem, &err);
    if (s != why || !strstr(err.text, says) || strchr(err.text, '\n'))
        fail_msg("status %d, \"%s\" instead of \"%s\"", s, err.text, says);
    assert_null(w);
}

static void single_files_of_the_reference_model_open(void **state) {
    (void)state;
    const char *model = TEST_DATA "/tiny-edit/model";
    struct weights *w = open_component(in_folder(model, "transformer"), TRANSFORMER, 77);
    const struct weight *t = weights_find(w, "transformer_blocks.0.attn.to_q.weight");
    assert_non_null(t);
    assert_int_equal(t->dtype, DTYPE_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 128);
    assert_int_equal(t->shape[1], 128);
    assert_string_equal(t->file, "diffusion_pytorch_model.safetensors");
    weights_close(w);
    weights_close(open_component(in_folder(model, "text_encoder"), "model", 92));
    weights_close(open_component(in_folder(model, "vae"), TRANSFORMER, 194));
}

static void shards_of_the_reference_model_open(void **state) {
    (void)state;
    const char *model = TEST_DATA "/tiny-edit-bf16-sharded/model";
    struct weights *w = open_component(in_folder(model, "transformer"), TRANSFORMER, 109);
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weight *t = weights_at(w, i);
        assert_int_equal(t->dtype, DTYPE_BF16);
        assert_int_equal((uintptr_t)t->data % 2, 0);
        assert_memory_equal(t->file, "diffusion_pytorch_model-000", 27);
    }
    weights_close(w);
    weights_close(open_component(in_folder(model, "text_encoder"), "model", 68));
    weights_close(open_component(in_folder(model, "vae"), TRANSFORMER, 146));
}

/* Two shards: a with "one" and "two", b with "three"; the index is the test's. */
static void write_shards(const char *folder) {
    const float numbers[4] = {1, 2, 3, 4};
    const struct tensor_spec a[] = {{"one", "F32", 1, {2}, numbers, 8},
                                    {"two", "F32", 0, {0}, numbers + 2, 4}};
    write_tensors(in_folder(folder, "a.safetensors"), a, 2);
    write_tensors(in_folder(folder, "b.safetensors"),
                  &(struct tensor_spec){"three", "F32", 1, {1}, numbers + 3, 4}, 1);
}

#define MAP(entries) "{\"weight_map\":{" entries "}}"
#define ONE_TWO      "\"one\":\"a.safetensors\",\"two\":\"a.safetensors\""

static const struct {
    const char *index, *says;
} BAD_INDEXES[] = {
    {"", "is not valid JSON"},
    {"[]", "has no \"weight_map\" object"},
    {"{}", "has no \"weight_map\" object"},
    {"{\"weight_map\":[]}", "has no \"weight_map\" object"},
    {"{\"weight_map\":{}", "is not valid JSON"},
    {MAP(""), "its \"weight_map\" is empty"},
    {MAP("\"one\":1"), "the shard of tensor \"one\" is not a string"},
    {MAP("\"one\":null"), "the shard of tensor \"one\" is not a string"},
    {MAP("\"one\":\"a.safetensors\",\"one\":\"a.safetensors\""), "duplicate object key"},
    {MAP("\"one\":\"\""), "tensor \"one\" is said to be in \"\", which is no file name"},
    {MAP("\"one\":\"a.bin\""), "no file name that ends in .safetensors"},
    {MAP("\"one\":\".safetensors\""), "no file name"},
    {MAP("\"one\":\".hidden.safetensors\""), "no file name"},
    {MAP("\"one\":\"../a.safetensors\""), "\"../a.safetensors\", which is no file name"},
    {MAP("\"one\":\"x/a.safetensors\""), "no file name"},
    {MAP("\"one\":\"/etc/a.safetensors\""), "no file name"},
    {MAP("\"one\":\"a..safetensors\""), "no file name"},
    {MAP("\"one\":\"a\\n.safetensors\""), "\"a?.safetensors\", which is no file name"},
    {MAP(ONE_TWO ",\"three\":\"c.safetensors\""),
     INDEX " names c.safetensors, which is missing in"},
    {MAP(ONE_TWO ",\"four\":\"b.safetensors\""),
     "tensor \"four\" is said to be in b.safetensors, which lacks it"},
    {MAP(ONE_TWO ",\"four\":\"a.safetensors\""),
     "tensor \"four\" is said to be in a.safetensors, which lacks it"},
    {MAP("\"one\":\"a.safetensors\",\"two\":\"b.safetensors\""),
     "tensor \"two\" is said to be in b.safetensors but is in a.safetensors"},
    {MAP(ONE_TWO ",\"three\":\"again.safetensors\",\"x\":\"b.safetensors\""),
     "tensor \"three\" is in both "},
    {MAP(ONE_TWO ",\"three\":\"bad.safetensors\""),
     "bad.safetensors: tensor \"three\" is stored as I64"},
    {MAP(ONE_TWO ",\"three\":\"empty.safetensors\""), "empty.safetensors is empty"},
    {MAP(ONE_TWO ",\"three\":\"folder.safetensors\""), "folder.safetensors is not a regular file"},
};

static void bad_indexes_are_refused(void **state) {
    const char *folder = *state;
    const int64_t number = 1;
    write_shards(folder);
    write_tensors(in_folder(folder, "again.safetensors"),
                  &(struct tensor_spec){"three", "F32", 1, {1}, &number, 4}, 1);
    write_tensors(in_folder(folder, "bad.safetensors"),
                  &(struct tensor_spec){"three", "I64", 1, {1}, &number, 8}, 1);
    write_text(in_folder(folder, "empty.safetensors"), "");
    assert_int_equal(mkdir(in_folder(folder, "folder.safetensors"), 0700), 0);
    for (size_t i = 0; i < sizeof BAD_INDEXES / sizeof BAD_INDEXES[0]; i++) {
        write_text(in_folder(folder, INDEX), BAD_INDEXES[i].index);
        assert_refused(folder, "m", STATUS_INVALID, BAD_INDEXES[i].says);
    }
}

static void a_good_index_opens_its_shards(void **state) {
    write_shards(*state);
    write_text(in_folder(*state, INDEX), MAP(ONE_TWO ",\"three\":\"b.safetensors\""));
    struct weights *w = open_component(*state, "m", 3);
    assert_string_equal(weights_find(w, "three")->file, "b.safetensors");
    assert_true(*(const float *)weights_find(w, "three")->data == 4);
    weights_close(w);

    /* A tensor that the index forgot is there all the same; the shards' order in the index does not
     * matter. */
    write_text(
        in_folder(*state, INDEX),
        "{\"metadata\":7,\"weight_map\":{\"three\":\"b.safetensors\",\"one\":\"a.safetensors\"}}");
    w = open_component(*state, "m", 3);
    assert_true(*(const float *)weights_find(w, "two")->data == 3);
    weights_close(w);

    /* The hub's cache holds links to the files. */
    assert_int_equal(rename(in_folder(*state, "b.safetensors"), in_folder(*state, "blob")), 0);
    assert_int_equal(symlink("blob", in_folder(*state, "b.safetensors")), 0);
    weights_close(open_component(*state, "m", 3));
}

static void the_folder_decides_what_is_opened(void **state) {
    assert_refused(*state, "m", STATUS_INVALID, "holds neither m.safetensors nor " INDEX);
    assert_refused("/nowhere", "m", STATUS_INVALID, "/nowhere holds neither");
    write_shards(*state);
    write_text(in_folder(*state, INDEX), MAP(ONE_TWO));
    weights_close(open_component(*state, "m", 2));
    const float number = 1;
    write_tensors(in_folder(*state, "m.safetensors"),
                  &(struct tensor_spec){"x", "F32", 0, {0}, &number, 4}, 1);
    weights_close(open_component(*state, "m", 1)); /* one whole file goes first */
    assert_int_equal(unlink(in_folder(*state, "m.safetensors")), 0);
    assert_int_equal(symlink("gone", in_folder(*state, "m.safetensors")), 0);
    assert_refused(*state, "m", STATUS_IO, "cannot open");
}

/* Resident bytes of this process. */
static long resident(void) {
    long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &size, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void released_pages_leave_and_come_back(void **state) {
    enum { MIB = 1 << 20, SIZE = 64 * MIB };
    uint8_t *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i / 4096);
    const char *path = in_folder(*state, "big");
    write_tensors(path, &(struct tensor_spec){"t", "F32", 1, {SIZE / 4}, bytes, SIZE}, 1);
    struct weights *w;
    struct error err;
    assert_int_equal(weights_open_file(&w, path, &err), STATUS_OK);
    const struct weight *t = weights_find(w, "t");
    weights_prefetch(t);
    assert_memory_equal(t->data, bytes, SIZE);
    long before = resident();
    weights_release(t);
    long after = resident();
    assert_true(before == 0 || before - after > SIZE / 2);
    assert_memory_equal(t->data, bytes, SIZE);
    weights_close(w);
    free(bytes);
}

static void *read_everything(void *weights) {
    const struct weights *w = weights;
    uintptr_t sum = 0;
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weight *t = weights_find(w, weights_at(w, i)->name);
        const uint8_t *bytes = t->data;
        weights_prefetch(t);
        for (size_t b = 0; b < dtype_bytes(t->dtype, (size_t)t->count); b++)
            sum = sum * 31 + bytes[b];
        weights_release(t);
    }
    return (void *)sum;
}

static void several_threads_may_read(void **state) {
    (void)state;
    struct weights *w =
        open_component(TEST_DATA "/tiny-edit-bf16-sharded/model/text_encoder", "model", 68);
    pthread_t threads[4];
    void *sums[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_everything, w), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], &sums[i]), 0);
    for (int i = 1; i < 4; i++) assert_ptr_equal(sums[i], sums[0]);
    weights_close(w);
}

/* Replaces the first `old` in the head of a file by `new`, which is as long. */
static void patch(const char *path, const char *old, const char *new) {
    static char head[1 << 17];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    ssize_t n = pread(fd, head, sizeof head, 0);
    char *at = n > 0 ? memmem(head, (size_t)n, old, strlen(old)) : NULL;
    assert_non_null(at);
    assert_int_equal(strlen(old), strlen(new));
    assert_int_equal(pwrite(fd, new, strlen(new), at - head), strlen(new));
    assert_int_equal(close(fd), 0);
}

static void the_full_size_layout_opens(void **state) {
    struct buffer command = {0};
    buffer_printf(&command, "sh " TEST_DATA "/full-size/expand.sh '%s' 2>/dev/null",
                  (const char *)*state);
    int status = system(command.data);
    buffer_free(&command);
    if (status != 0) skip(); /* a file system without holes, or one that limits a file's size */

    const char *transformer = in_folder(*state, "transformer");
    struct weights *w = open_component(transformer, TRANSFORMER, 1933);
    const struct weight *t = weights_find(w, "transformer_blocks.59.img_mlp.net.0.proj.weight");
    assert_non_null(t);
    assert_int_equal(t->shape[0], 12288);
    assert_int_equal(t->shape[1], 3072);
    weights_close(w);
    weights_close(open_component(in_folder(*state, "text_encoder"), "model", 729));
    weights_close(open_component(in_folder(*state, "vae"), TRANSFORMER, 194));

    char folder[4096], shard[4096 + 64];
    snprintf(folder, sizeof folder, "%s/transformer", (const char *)*state);
    snprintf(shard, sizeof shard, "%s/" TRANSFORMER "-00001-of-00005.safetensors", folder);
    patch(shard, "\"img_in.weight\": {\"dtype\": \"BF16\"",
          "\"img_in.weight\": {\"dtype\": \"BF61\"");
    assert_refused(
        folder, TRANSFORMER, STATUS_INVALID,
        "-00001-of-00005.safetensors: tensor \"img_in.weight\" has the unknown dtype \"BF61\"");
    patch(shard, "\"img_in.weight\": {\"dtype\": \"BF61\"",
          "\"img_in.weight\": {\"dtype\": \"BF16\"");
    patch(shard, "\"img_in.weight\"", "\"img_in.Weight\"");
    assert_refused(folder, TRANSFORMER, STATUS_INVALID,
                   "tensor \"img_in.weight\" is said to be in");
    patch(shard, "\"img_in.Weight\"", "\"img_in.weight\"");
    assert_int_equal(truncate(shard, 9973582662), 0);
    assert_refused(folder, TRANSFORMER, STATUS_INVALID,
                   "is truncated: 9973582662 bytes, needs 9973582664");
}

static void elements_are_read_scaled(void **state) {
    (void)state;
    static const uint16_t halves[] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600}; /* 1 to 6 */
    static const float scales[] = {10, -1};
    const struct weight matrix = {.dtype = DTYPE_F16,
                                  .rank = 2,
                                  .shape = {2, 3},
                                  .count = 6,
                                  .data = halves,
                                  .scales = {scales, 1, 3}};
    const struct weight scalar = {
        .dtype = DTYPE_F16, .count = 1, .data = halves + 2, .scales = {scales, 1, 1}};
    float out[4] = {0};
    weight_floats(out, &matrix, 1, 4);
    assert_true(out[0] == 20 && out[1] == 30 && out[2] == -4 && out[3] == -5);
    weight_floats(out, &scalar, 0, 1);
    assert_true(out[0] == 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_files_of_the_reference_model_open),
        cmocka_unit_test(shards_of_the_reference_model_open),
        cmocka_unit_test_setup_teardown(bad_indexes_are_refused, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(a_good_index_opens_its_shards, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(the_folder_decides_what_is_opened, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(released_pages_leave_and_come_back, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test(several_threads_may_read),
        cmocka_unit_test(elements_are_read_scaled),
        cmocka_unit_test_setup_teardown(the_full_size_layout_opens, folder_set_up,
                                        folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
