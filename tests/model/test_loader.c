/*
 * What the loader makes of stored tensors, read back out of the packed layers by products with
 * single ones.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "model/loader.h"
#include "support/files.h"

enum { OUT = 2, IN = 3, WEIGHTS = OUT * IN };

/* An adapter of rank 1 whose product has more digits than bfloat16 holds. */
static const float DOWN[IN] = {0.001f, 0.0123f, 0.3f}, UP[OUT] = {1, -0.7f};
static const float STORED[WEIGHTS] = {1, -2, 0.5f, 100, 0.0625f, 3};

static struct compute *plain_device(void) {
    struct compute *c;
    const struct compute_options options = {.device = "cpu", .threads = 1, .kernels = "generic"};
    assert_int_equal(compute_create(&c, &options, NULL), STATUS_OK);
    return c;
}

static struct weights *file_of(const char *path, const struct tensor_spec *tensors, size_t n) {
    struct weights *w;
    struct error err = {""};
    write_tensors(path, tensors, n);
    if (weights_open_file(&w, path, &err) != STATUS_OK) fail_msg("%s", err.text);
    return w;
}

static struct lora *adapter_of(const char *path) {
    const struct tensor_spec tensors[] = {
        {"layer.lora_A.weight", "F32", 2, {1, IN}, DOWN, sizeof DOWN},
        {"layer.lora_B.weight", "F32", 2, {OUT, 1}, UP, sizeof UP}};
    struct lora *l;
    write_tensors(path, tensors, 2);
    assert_int_equal(lora_open(&l, path, 1.0, NULL), STATUS_OK);
    return l;
}

/* The layer's weight [OUT, IN]: each product has a single addend, so that it is exact. */
static void read_back(float *out, struct compute *c, const struct linear *l) {
    float ones[IN * IN] = {0}, transposed[IN * OUT];
    struct workspace *w;
    for (int i = 0; i < IN; i++) ones[i * IN + i] = 1;
    assert_int_equal(
        workspace_create(&w, c, (struct workspace_size){.device = 1 << 20}, NULL, NULL, NULL),
        STATUS_OK);
    struct tensor in = tensor_take(w, IN, IN), result = tensor_take(w, IN, OUT);
    tensor_upload(w, in, ones);
    op_linear(w, result, in, l, NULL);
    tensor_download(w, transposed, result);
    assert_int_equal(workspace_check(w, NULL), STATUS_OK);
    workspace_destroy(w);
    for (int o = 0; o < OUT; o++)
        for (int i = 0; i < IN; i++) out[o * IN + i] = transposed[i * OUT + o];
}

/* Loads the layer from a file of that type, with `lora` or without (NULL), and gives its bytes. */
static uint64_t load(float *out, const char *folder, const char *dtype, const void *stored,
                     size_t bytes, struct lora *lora) {
    const struct tensor_spec tensor = {"layer.weight", dtype, 2, {OUT, IN}, stored, bytes};
    struct compute *c = plain_device();
    struct weights *weights = file_of(in_folder(folder, "weights"), &tensor, 1);
    struct loader loader = {.component = "test",
                            .weights = weights,
                            .compute = c,
                            .bears = PRECISION_FLOAT32,
                            .loras = &lora,
                            .lora_count = lora != NULL};
    struct linear *l;
    struct error err = {""};
    assert_int_equal(loader_start(&loader, &err), STATUS_OK);
    load_linear(&loader, &l, OUT, IN, LOAD_NO_BIAS, "layer");
    if (loader_finish(&loader) != STATUS_OK) fail_msg("%s", err.text);
    read_back(out, c, l);
    uint64_t packed = compute_weight_bytes(c);
    linear_destroy(l);
    weights_close(weights);
    compute_destroy(c);
    return packed;
}

/* The sum as the adapter's merge has it: products first, then the weight. */
static float merged(int i) {
    return STORED[i] + UP[i / IN] * DOWN[i % IN];
}

static void an_adapter_leaves_bfloat16_weights_in_their_type(void **state) {
    const char *folder = *state;
    struct lora *lora = adapter_of(in_folder(folder, "adapter"));
    uint16_t stored[WEIGHTS];
    float plain[WEIGHTS], with[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++) stored[i] = bf16_from_float(STORED[i]);
    uint64_t bytes = load(plain, folder, "BF16", stored, sizeof stored, NULL);
    assert_int_equal(load(with, folder, "BF16", stored, sizeof stored, lora), bytes);
    for (int i = 0; i < WEIGHTS; i++) {
        assert_true(plain[i] == STORED[i]);
        assert_true(with[i] == float_from_bf16(bf16_from_float(merged(i))));
    }
    lora_close(lora);
}

static void an_adapter_on_other_types_is_not_rounded(void **state) {
    const char *folder = *state;
    struct lora *lora = adapter_of(in_folder(folder, "adapter"));
    static const uint16_t f16[WEIGHTS] = {0x3c00, 0xc000, 0x3800, 0x5640, 0x2c00, 0x4200};
    float with[WEIGHTS];
    load(with, folder, "F32", STORED, sizeof STORED, lora);
    for (int i = 0; i < WEIGHTS; i++) assert_true(with[i] == merged(i));
    load(with, folder, "F16", f16, sizeof f16, lora);
    for (int i = 0; i < WEIGHTS; i++) assert_true(with[i] == merged(i));
    lora_close(lora);
}

static void layers_are_numbered_as_they_are_loaded(void **state) {
    const char *const names[] = {"b.%d.first", "b.%d.second"};
    const struct tensor_spec tensors[] = {
        {"b.7.first.weight", "F32", 2, {OUT, IN}, STORED, sizeof STORED},
        {"b.7.second.weight", "F32", 2, {1, IN}, STORED, sizeof DOWN},
        {"a.weight", "F32", 2, {IN, OUT}, STORED, sizeof STORED}};
    static const struct named_layer expected[] = {
        {"b.7.first", OUT, IN}, {"b.7.second", 1, IN}, {"a", IN, OUT}};
    struct layer_list layers = {0};
    struct compute *c = plain_device();
    struct weights *weights = file_of(in_folder(*state, "weights"), tensors, 3);
    struct loader loader = {.component = "test",
                            .weights = weights,
                            .compute = c,
                            .bears = PRECISION_FLOAT32,
                            .layers = &layers};
    struct linear *stacked, *single;
    assert_int_equal(loader_start(&loader, NULL), STATUS_OK);
    load_linear_stack(&loader, &stacked, names, (const int64_t[]){OUT, 1}, 2, IN, LOAD_NO_BIAS, 7);
    load_linear(&loader, &single, IN, OUT, LOAD_NO_BIAS, "a");
    assert_int_equal(loader_finish(&loader), STATUS_OK);
    assert_int_equal(layers.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(layers.layers[i].name, expected[i].name);
        assert_int_equal(layers.layers[i].out_features, expected[i].out_features);
        assert_int_equal(layers.layers[i].in_features, expected[i].in_features);
    }
    linear_destroy(stacked);
    linear_destroy(single);
    layer_list_free(&layers);
    weights_close(weights);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_adapter_leaves_bfloat16_weights_in_their_type,
                                        folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(an_adapter_on_other_types_is_not_rounded, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(layers_are_numbered_as_they_are_loaded, folder_set_up,
                                        folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
