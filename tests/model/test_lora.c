/*
 * LoRA: the three layouts are one adapter, alpha and scale count as they should, and nothing is
 * merged in part.
 */
#include "support/unit_test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/lora.h"
#include "support/files.h"
#include "weights/weights.h"

#define TINY TEST_DATA "/tiny-edit/"

static struct lora *open_lora(const char *path, double scale) {
    struct lora *l;
    struct error err = {""};
    if (lora_open(&l, path, scale, &err) != STATUS_OK) fail_msg("%s", err.text);
    return l;
}

static void assert_refused(const char *path, const char *says) {
    struct error err = {""};
    struct lora *l = (struct lora *)&err;
    enum status s = lora_open(&l, path, 1.0, &err);
    if (s != STATUS_INVALID || !strstr(err.text, says))
        fail_msg("status %d, \"%s\" instead of \"%s\"", s, err.text, says);
    assert_null(l);
}

/* The delta of a module, zeros when the adapter does not change it. */
static float *delta_of(const struct lora *l, const char *module, int64_t out, int64_t in) {
    float *delta = calloc((size_t)(out * in), sizeof *delta);
    struct error err = {""};
    assert_non_null(delta);
    if (lora_merge(l, module, delta, out, in, &err) != STATUS_OK) fail_msg("%s", err.text);
    return delta;
}

/* Whether the adapter is one for `count` layers, of these names and sizes. */
static enum status check(const struct lora *l, const char *const *names, size_t count, int64_t out,
                         int64_t in, struct error *err) {
    struct layer_list list = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(layer_list_add(&list, names[i], out, in, NULL), STATUS_OK);
    enum status s = lora_check(l, &list, err);
    layer_list_free(&list);
    return s;
}

static double largest_difference(const float *a, const float *b, int64_t n) {
    double max = 0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, fabs((double)a[i] - (double)b[i]));
    return max;
}

/* scale * up @ down from the peft file, the plain way; compared at 1e-6. */
static void assert_is_product(const struct weights *peft, const char *module, const float *delta,
                              int64_t out, int64_t in, double scale) {
    char key[320];
    snprintf(key, sizeof key, "transformer.%s.lora_A.weight", module);
    const struct weight *down = weights_find(peft, key);
    snprintf(key, sizeof key, "transformer.%s.lora_B.weight", module);
    const struct weight *up = weights_find(peft, key);
    assert_non_null(down);
    assert_non_null(up);
    const float *a = down->data, *b = up->data;
    int64_t rank = down->shape[0];
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t j = 0; j < rank; j++) sum += (double)b[o * rank + j] * a[j * in + i];
            assert_true(fabs(scale * sum - delta[o * in + i]) <= 1e-6);
        }
}

static void three_layouts_are_one_adapter(void **state) {
    (void)state;
    const double scale = 0.7;
    struct lora *loras[3] = {open_lora(TINY "lora_peft.safetensors", scale),
                             open_lora(TINY "lora_lightx2v.safetensors", scale),
                             open_lora(TINY "lora_kohya.safetensors", scale)};
    struct weights *model, *peft;
    assert_int_equal(
        weights_open(&model, TINY "model/transformer", "diffusion_pytorch_model", NULL), STATUS_OK);
    assert_int_equal(weights_open_file(&peft, TINY "lora_peft.safetensors", NULL), STATUS_OK);
    size_t touched_modules = 0;
    struct layer_list layers = {0};
    for (size_t i = 0; i < weights_count(model); i++) {
        const struct weight *t = weights_at(model, i);
        char module[256];
        size_t n = strlen(t->name) - strlen(".weight");
        if (t->rank != 2 || strcmp(t->name + n, ".weight") != 0) continue;
        snprintf(module, sizeof module, "%.*s", (int)n, t->name);
        bool touched[3];
        float *deltas[3];
        assert_int_equal(layer_list_add(&layers, module, t->shape[0], t->shape[1], NULL),
                         STATUS_OK);
        for (int k = 0; k < 3; k++) {
            touched[k] = lora_has(loras[k], module);
            deltas[k] = delta_of(loras[k], module, t->shape[0], t->shape[1]);
        }
        assert_true(touched[0] == touched[1] && touched[0] == touched[2]);
        touched_modules += touched[0];
        for (int k = 1; k < 3; k++)
            assert_true(largest_difference(deltas[0], deltas[k], t->count) <= 1e-6);
        if (touched[0]) assert_is_product(peft, module, deltas[0], t->shape[0], t->shape[1], scale);
        for (int k = 0; k < 3; k++) free(deltas[k]);
    }
    assert_int_equal(touched_modules, weights_count(peft) / 2);
    struct error err = {""};
    for (int k = 0; k < 3; k++) {
        assert_int_equal(lora_check(loras[k], &layers, &err), STATUS_OK);
        lora_close(loras[k]);
    }
    layer_list_free(&layers);
    weights_close(model);
    weights_close(peft);
}

/* An adapter of one module with rank 2, 3 inputs and 2 outputs: up @ down = PRODUCT. */
static const float DOWN[6] = {1, 2, 3, 4, 5, 6}, UP[4] = {1, 10, 0.5f, -1};
static const float PRODUCT[6] = {41, 52, 63, -3.5f, -4, -4.5f};

static void write_adapter(const char *path, const char *down, const char *up, const char *alpha_key,
                          const float *alpha) {
    const struct tensor_spec t[] = {{down, "F32", 2, {2, 3}, DOWN, sizeof DOWN},
                                    {up, "F32", 2, {2, 2}, UP, sizeof UP},
                                    {alpha_key, "F32", 0, {0}, alpha, 4}};
    write_tensors(path, t, alpha_key ? 3 : 2);
}

static void assert_adds(struct lora *l, const char *module, float factor) {
    float weight[6] = {1, 1, 1, 1, 1, 1};
    struct error err = {""};
    if (lora_merge(l, module, weight, 2, 3, &err) != STATUS_OK) fail_msg("%s", err.text);
    for (int i = 0; i < 6; i++) assert_true(fabsf(weight[i] - (1 + factor * PRODUCT[i])) <= 1e-5f);
    assert_int_equal(check(l, &module, 1, 2, 3, &err), STATUS_OK);
}

static void every_spelling_of_a_key_is_understood(void **state) {
    static const struct {
        const char *down, *up, *alpha;
    } KEYS[] = {
        {"b.0.to_q.lora_A.weight", "b.0.to_q.lora_B.weight", "b.0.to_q.alpha"},
        {"b.0.to_q.lora_A.default.weight", "b.0.to_q.lora_B.default.weight", NULL},
        {"b.0.to_q.lora_down.weight", "b.0.to_q.lora_up.weight", "b.0.to_q.alpha"},
        {"transformer.b.0.to_q.lora_A.weight", "transformer.b.0.to_q.lora_B.weight",
         "transformer.b.0.to_q.alpha"},
        {"transformer.b.0.to_q.lora_A.default.weight", "transformer.b.0.to_q.lora_B.default.weight",
         NULL},
        {"diffusion_model.b.0.to_q.lora_A.weight", "diffusion_model.b.0.to_q.lora_B.weight", NULL},
        {"diffusion_model.b.0.to_q.lora_down.weight", "diffusion_model.b.0.to_q.lora_up.weight",
         "diffusion_model.b.0.to_q.alpha"},
        {"base_model.model.b.0.to_q.lora_A.weight", "base_model.model.b.0.to_q.lora_B.weight",
         NULL},
        {"base_model.model.transformer.b.0.to_q.lora_A.weight",
         "base_model.model.transformer.b.0.to_q.lora_B.weight", NULL},
        {"lora_unet_b_0_to_q.lora_down.weight", "lora_unet_b_0_to_q.lora_up.weight",
         "lora_unet_b_0_to_q.alpha"},
        {"lora_unet_b_0_to_q.lora_A.weight", "lora_unet_b_0_to_q.lora_B.weight",
         "lora_unet_b_0_to_q.alpha"},
        {"b.0.to_q.lora_A.weight", "transformer.b.0.to_q.lora_up.weight",
         "lora_unet_b_0_to_q.alpha"},
    };
    const float alpha = 6;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        const char *path = in_folder(*state, "lora");
        write_adapter(path, KEYS[i].down, KEYS[i].up, KEYS[i].alpha, &alpha);
        struct lora *l = open_lora(path, 0.5);
        assert_true(lora_has(l, "b.0.to_q"));
        assert_false(lora_has(l, "b.0.to_k"));
        assert_false(lora_has(l, "b.0.to"));
        assert_false(lora_has(l, "b.0.to_q.x"));
        assert_adds(l, "b.0.to_q", KEYS[i].alpha ? 1.5f : 0.5f); /* 0.5 * alpha 6 / rank 2 */
        lora_close(l);
    }
}

static void other_number_formats_are_read(void **state) {
    const uint16_t down[3] = {0x3f80, 0x4000, 0x4040},
                   up[2] = {0x3c00, 0xc000}; /* bf16 1 2 3, f16 1 -2 */
    const uint16_t alpha = 0x4000;           /* bf16 2 */
    const struct tensor_spec t[] = {{"m.lora_down.weight", "BF16", 2, {1, 3}, down, 6},
                                    {"m.lora_up.weight", "F16", 2, {2, 1}, up, 4},
                                    {"m.alpha", "BF16", 1, {1}, &alpha, 2}};
    const char *path = in_folder(*state, "lora");
    write_tensors(path, t, 3);
    struct lora *l = open_lora(path, 1.0);
    float weight[6] = {0};
    assert_int_equal(lora_merge(l, "m", weight, 2, 3, NULL), STATUS_OK);
    const float expected[6] = {2, 4, 6, -4, -8, -12};
    assert_memory_equal(weight, expected, sizeof weight);
    lora_close(l);
}

static void several_adapters_add_up(void **state) {
    const char *path = in_folder(*state, "lora");
    write_adapter(path, "m.lora_A.weight", "m.lora_B.weight", NULL, NULL);
    struct lora *a = open_lora(path, 1.0), *b = open_lora(path, -0.25),
                *none = open_lora(path, 0.0);
    float weight[6] = {0};
    assert_int_equal(lora_merge(a, "m", weight, 2, 3, NULL), STATUS_OK);
    assert_int_equal(lora_merge(b, "m", weight, 2, 3, NULL), STATUS_OK);
    assert_int_equal(lora_merge(none, "m", weight, 2, 3, NULL), STATUS_OK);
    for (int i = 0; i < 6; i++) assert_true(fabsf(weight[i] - 0.75f * PRODUCT[i]) <= 1e-5f);
    lora_close(a);
    lora_close(b);
    lora_close(none);
    lora_close(NULL);
}

static void what_matches_nothing_is_named(void **state) {
    const char *path = in_folder(*state, "style.safetensors");
    const struct tensor_spec t[] = {
        {"b.one.lora_A.weight", "F32", 2, {2, 3}, DOWN, sizeof DOWN},
        {"b.one.lora_B.weight", "F32", 2, {2, 2}, UP, sizeof UP},
        {"transformer.b.two.lora_A.weight", "F32", 2, {2, 3}, DOWN, sizeof DOWN},
        {"transformer.b.two.lora_B.weight", "F32", 2, {2, 2}, UP, sizeof UP}};
    write_tensors(path, t, 4);
    struct lora *l = open_lora(path, 1.0);
    struct error err = {""};
    float weight[6] = {0};
    const float zeros[6] = {0};
    static const char *const NAMES[] = {"b.three", "b.one", "b.two"};
    assert_int_equal(check(l, NAMES, 1, 2, 3, &err), STATUS_INVALID);
    assert_non_null(strstr(
        err.text, "style.safetensors: \"b.one.lora_A.weight\" (and 1 more of its 2 modules)"));
    assert_int_equal(lora_merge(l, "b.three", weight, 2, 3, &err), STATUS_OK);
    assert_memory_equal(weight, zeros, sizeof weight);
    assert_int_equal(check(l, NAMES, 3, 2, 3, &err), STATUS_OK);
    assert_int_equal(check(l, NAMES, 2, 2, 3, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "\"transformer.b.two.lora_A.weight\""));
    assert_non_null(strstr(err.text, "check that the adapter was made for"));
    lora_close(l);
}

static void other_sizes_are_refused_and_leave_the_weight_alone(void **state) {
    const char *path = in_folder(*state, "lora");
    write_adapter(path, "m.lora_A.weight", "m.lora_B.weight", NULL, NULL);
    struct lora *l = open_lora(path, 1.0);
    struct error err = {""};
    float weight[16] = {0};
    const float zeros[16] = {0};
    const char *const name = "m";
    assert_int_equal(lora_merge(l, "m", weight, 2, 4, &err), STATUS_INVALID);
    assert_string_equal(err.text,
                        "lora: \"m.lora_A.weight\" is [2, 3]; [2, 4] expected for this model");
    assert_int_equal(check(l, &name, 1, 2, 4, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "[2, 4] expected"));
    assert_int_equal(lora_merge(l, "m", weight, 4, 3, &err), STATUS_INVALID);
    assert_string_equal(err.text,
                        "lora: \"m.lora_B.weight\" is [2, 2]; [4, 2] expected for this model");
    assert_memory_equal(weight, zeros, sizeof weight);
    assert_int_equal(check(l, &name, 1, 4, 3, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "[4, 2] expected"));
    lora_close(l);
}

#define SPEC(name, ...)                                                                            \
    { name, "F32", __VA_ARGS__ }

static void files_that_are_no_adapter_are_refused(void **state) {
    const float n[16] = {1, 2, 3, 4};
    const float infinite = INFINITY;
    const struct {
        struct tensor_spec tensors[3];
        size_t count;
        const char *says;
    } bad[] = {
        {{{0}}, 0, "holds no tensors"},
        {{SPEC("m.weight", 2, {1, 2}, n, 8)}, 1, "\"m.weight\" is no key of a LoRA"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 2, {2, 1}, n, 8),
          SPEC("m.lora_B.bias", 1, {2}, n, 8)},
         3,
         "\"m.lora_B.bias\" is no key"},
        {{SPEC("m.dora_scale", 1, {2}, n, 8)}, 1, "\"m.dora_scale\" is no key"},
        {{SPEC("m.lora_mid.weight", 2, {1, 2}, n, 8)}, 1, "\"m.lora_mid.weight\" is no key"},
        {{SPEC(".lora_A.weight", 2, {1, 2}, n, 8)}, 1, "is no key"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8)}, 1, "\"m.lora_A.weight\" has no up matrix"},
        {{SPEC("m.lora_up.weight", 2, {2, 1}, n, 8)}, 1, "\"m.lora_up.weight\" has no down matrix"},
        {{SPEC("m.alpha", 0, {0}, n, 4)}, 1, "\"m.alpha\" has no down matrix"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 2, {2, 2}, n, 16)},
         2,
         "\"m.lora_A.weight\" has rank 1 but \"m.lora_B.weight\" has 2"},
        {{SPEC("m.lora_A.weight", 4, {1, 2, 1, 1}, n, 8), SPEC("m.lora_B.weight", 2, {2, 1}, n, 8)},
         2,
         "\"m.lora_A.weight\" has 4 dimensions; only 2-D"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 1, {2}, n, 8)},
         2,
         "\"m.lora_B.weight\" has 1 dimensions; only 2-D"},
        {{SPEC("m.lora_A.weight", 2, {0, 2}, n, 0), SPEC("m.lora_B.weight", 2, {2, 0}, n, 0)},
         2,
         "and no numbers"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 2, {2, 1}, n, 8),
          SPEC("m.alpha", 1, {2}, n, 8)},
         3,
         "\"m.alpha\" holds 2 numbers instead of one"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 2, {2, 1}, n, 8),
          SPEC("m.alpha", 0, {0}, &infinite, 4)},
         3,
         "\"m.alpha\" is not a finite number"},
        {{SPEC("m.lora_A.weight", 2, {1, 2}, n, 8), SPEC("m.lora_B.weight", 2, {2, 1}, n, 8),
          SPEC("transformer.m.lora_A.weight", 2, {1, 2}, n, 8)},
         3,
         "are the same matrix of the same module"},
        {{SPEC("a.b.lora_A.weight", 2, {1, 2}, n, 8), SPEC("a.b.lora_B.weight", 2, {2, 1}, n, 8),
          SPEC("lora_unet_a_b.lora_down.weight", 2, {1, 2}, n, 8)},
         3,
         "are the same matrix of the same module"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *path = in_folder(*state, "lora");
        write_tensors(path, bad[i].tensors, bad[i].count);
        assert_refused(path, bad[i].says);
    }
    write_text(in_folder(*state, "lora"), "no adapter at all");
    assert_refused(in_folder(*state, "lora"), "lora is no safetensors file");
}

/* An adapter of the modules "a.to_q" and "b.to_q" with a configuration. */
static const char *write_configured(void **state, const char *prefix, const char *config) {
    static const char *const NAMES[] = {"a.to_q.lora_A", "a.to_q.lora_B", "b.to_q.lora_A",
                                        "b.to_q.lora_B"};
    struct tensor_spec t[4];
    char keys[4][64];
    for (int i = 0; i < 4; i++) {
        snprintf(keys[i], sizeof keys[i], "%s%s.weight", prefix, NAMES[i]);
        bool down = i % 2 == 0;
        t[i] = (struct tensor_spec){
            keys[i], "F32", 2, {2, down ? 3 : 2}, down ? DOWN : UP, down ? sizeof DOWN : sizeof UP};
    }
    const char *path = in_folder(*state, "lora");
    write_tensors_with(path, "lora_adapter_metadata", config, t, 4);
    return path;
}

static float factor_of(struct lora *l, const char *module) {
    float *delta = delta_of(l, module, 2, 3), factor = delta[0] / PRODUCT[0];
    assert_true(lora_has(l, module));
    for (int i = 0; i < 6; i++) assert_true(fabsf(delta[i] - factor * PRODUCT[i]) <= 1e-5f);
    free(delta);
    return factor;
}

static void the_configuration_decides_the_strength(void **state) {
    static const struct {
        const char *prefix, *config;
        float a, b; /* factors */
    } GOOD[] = {
        {"", "", 1, 1},
        {"", "null", 1, 1},
        {"", "{\"r\":2}", 4, 4},
        {"", "{\"r\":2,\"lora_alpha\":3.5}", 1.75f, 1.75f},
        {"transformer.", "{\"transformer.r\":2,\"transformer.lora_alpha\":6,\"r\":9}", 3, 3},
        {"transformer.", "{\"transformer.r\":2,\"text_encoder.use_dora\":true}", 4, 4},
        {"", "{\"r\":2,\"lora_alpha\":2,\"use_rslora\":true}", 1.41421356f, 1.41421356f},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"b.to_q\":8}}", 1, 4},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"to_q\":8}}", 4, 4},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"b.to_q\":6,\"to_q\":8}}", 4, 3},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"to_q\":8,\"b.to_q\":6}}", 4, 4},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"^a.to_q\":8,\"^to_q\":4}}", 4, 1},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"o_q\":8,\"a\":4,\"xa.to_q\":4}}", 1,
         1},
        {"", "{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"b.to.q\":8}}", 1, 4},
        {"", "{\"r\":5,\"lora_alpha\":2,\"rank_pattern\":{\"to_q\":2}}", 1, 1},
        {"",
         "{\"r\":2,\"use_dora\":false,\"lora_bias\":null,\"layer_replication\":[],"
         "\"init_lora_weights\":\"gaussian\",\"rank_pattern\":{},\"unknown\":7}",
         4, 4},
        {"lora_unet_", "{\"r\":2,\"lora_alpha\":6}", 3, 3},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        struct lora *l = open_lora(write_configured(state, GOOD[i].prefix, GOOD[i].config), 0.5);
        float a = factor_of(l, "a.to_q"), b = factor_of(l, "b.to_q");
        if (fabsf(a - GOOD[i].a / 2) > 1e-6f || fabsf(b - GOOD[i].b / 2) > 1e-6f)
            fail_msg("%s: %g and %g", GOOD[i].config, (double)a, (double)b);
        lora_close(l);
    }
}

static void configurations_that_are_not_understood_are_refused(void **state) {
    static const struct {
        const char *prefix, *config, *says;
    } BAD[] = {
        {"", "{\"r\":", "lora: its \"lora_adapter_metadata\" is not valid JSON"},
        {"", "{\"r\":2,\"r\":2}", "is not valid JSON: duplicate"},
        {"", "[2]", "is not a JSON object"},
        {"", "{\"r\":NaN}", "is not valid JSON"},
        {"", "{}", "gives \"a.to_q\" the rank 8, but its matrices have 2"},
        {"", "{\"r\":4}", "gives \"a.to_q\" the rank 4, but its matrices have 2"},
        {"", "{\"r\":2,\"rank_pattern\":{\"b.to_q\":1}}", "gives \"b.to_q\" the rank 1"},
        {"", "{\"r\":0}", "the rank \"r\" must be a whole number from 1"},
        {"", "{\"r\":2.0}", "the rank \"r\" must be"},
        {"", "{\"r\":null}", "the rank \"r\" must be"},
        {"", "{\"r\":2,\"lora_alpha\":\"8\"}", "the alpha \"lora_alpha\" must be a number"},
        {"", "{\"r\":2,\"lora_alpha\":null}", "the alpha \"lora_alpha\" must be a number"},
        {"", "{\"r\":2,\"lora_alpha\":1e300}",
         "the scale of \"a.to_q.lora_A.weight\" is too large"},
        {"", "{\"r\":2,\"alpha_pattern\":[1]}", "\"alpha_pattern\" must be an object"},
        {"", "{\"r\":2,\"alpha_pattern\":{\"to_q\":true}}", "the alpha \"to_q\" must be a number"},
        {"", "{\"r\":2,\"rank_pattern\":{\"to_q\":-1}}", "the rank \"to_q\" must be"},
        {"", "{\"r\":2,\"alpha_pattern\":{\"to_(q|k)\":4}}",
         "\"alpha_pattern\": the pattern \"to_(q|k)\" is no plain name of a module"},
        {"", "{\"r\":2,\"rank_pattern\":{\"to\\nq\":4}}", "the pattern \"to?q\" is no plain name"},
        {"", "{\"r\":2,\"alpha_pattern\":{\"\":4}}", "the pattern \"\" is no plain name"},
        {"", "{\"r\":2,\"alpha_pattern\":{\"^\":4}}", "the pattern \"^\" is no plain name"},
        {"", "{\"r\":2,\"use_rslora\":1}", "\"use_rslora\" must be true or false"},
        {"", "{\"r\":2,\"use_dora\":true}", "\"use_dora\" is set, which is not supported"},
        {"transformer.", "{\"transformer.r\":2,\"transformer.lora_bias\":true}",
         "\"lora_bias\" is set, which is not supported"},
        {"", "{\"r\":2,\"layer_replication\":[[0,1]]}", "\"layer_replication\" is set"},
        {"", "{\"r\":2,\"init_lora_weights\":\"pissa\"}", "changes the model's own weights"},
        {"lora_unet_", "{\"r\":2,\"alpha_pattern\":{\"to_q\":4}}",
         "has patterns, which cannot be matched with \"a.to_q\""},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_refused(write_configured(state, BAD[i].prefix, BAD[i].config), BAD[i].says);
    char *text = calloc(1, (1 << 20) + 2);
    assert_non_null(text);
    memset(text, ' ', (1 << 20) + 1);
    assert_refused(write_configured(state, "", text), "is longer than 1048576 bytes");
    free(text);
}

/* peft's: beside the adapter, under names without a prefix. */
static void write_beside(void **state, const char *config) {
    write_text(in_folder(*state, "adapter_config.json"), config);
}

static void assert_factors(const char *path, float a, float b) {
    struct lora *l = open_lora(path, 0.5);
    assert_false(lora_passed_config_over(l));
    float got_a = factor_of(l, "a.to_q"), got_b = factor_of(l, "b.to_q");
    if (fabsf(got_a - a / 2) > 1e-6f || fabsf(got_b - b / 2) > 1e-6f)
        fail_msg("%g and %g instead of %g and %g", (double)got_a, (double)got_b, (double)a / 2,
                 (double)b / 2);
    lora_close(l);
}

static void a_config_beside_gives_the_scale(void **state) {
    static const struct {
        const char *config;
        float a, b;
    } GOOD[] = {
        {"{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":2}", 1, 1},
        {"{\"r\":2,\"lora_alpha\":4}", 2, 2},
        {"{\"r\":2,\"lora_alpha\":2,\"use_rslora\":true}", 1.41421356f, 1.41421356f},
        {"{\"r\":2,\"lora_alpha\":2,\"alpha_pattern\":{\"b.to_q\":8}}", 1, 4},
        {"{\"r\":9,\"lora_alpha\":6,\"rank_pattern\":{\"to_q\":2}}", 3, 3},
    };
    write_configured(state, "base_model.model.", "");
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        write_beside(state, GOOD[i].config);
        assert_factors(in_folder(*state, "lora"), GOOD[i].a, GOOD[i].b);
    }
    /* Both say the same: it counts once. */
    write_beside(state, "{\"r\":2,\"lora_alpha\":6}");
    assert_factors(write_configured(state, "", "{\"r\":2,\"lora_alpha\":6}"), 3, 3);
}

static void a_bad_config_beside_is_refused(void **state) {
    static const char *const BAD[][2] = {
        {"{\"r\":", "lora: the adapter_config.json beside it is not valid JSON"},
        {"", "lora: the adapter_config.json beside it is not valid JSON"},
        {"[]", "is not a JSON object"},
        {"{\"r\":4}", "gives \"a.to_q\" the rank 4, but its matrices have 2"},
        {"{\"r\":2,\"use_dora\":true}", "\"use_dora\" is set"},
        {"{\"peft_type\":\"LOHA\",\"r\":2}", "\"peft_type\" is LOHA; only LORA is supported"},
    };
    write_configured(state, "", "");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        write_beside(state, BAD[i][0]);
        assert_refused(in_folder(*state, "lora"), BAD[i][1]);
    }
}

static void sources_that_disagree_are_refused(void **state) {
    write_beside(state, "{\"r\":2,\"lora_alpha\":16}");
    assert_refused(write_configured(state, "", "{\"r\":2,\"lora_alpha\":4}"),
                   "says alpha 4 (strength 2), but lora: the adapter_config.json beside it says "
                   "alpha 16 (strength 8)");
    const float alpha = 6;
    const char *path = in_folder(*state, "lora");
    write_adapter(path, "b.0.to_q.lora_A.weight", "b.0.to_q.lora_B.weight", "b.0.to_q.alpha",
                  &alpha);
    assert_refused(path, "\"b.0.to_q.alpha\" says alpha 6 (strength 3), but lora: the "
                         "adapter_config.json beside it says alpha 16 (strength 8)");
    write_beside(state, "{\"r\":2,\"lora_alpha\":6}");
    struct lora *l = open_lora(in_folder(*state, "lora"), 0.5);
    assert_adds(l, "b.0.to_q", 1.5f);
    lora_close(l);
}

static void move(void **state, const char *from, const char *to) {
    char *old = strdup(in_folder(*state, from));
    assert_int_equal(rename(old, in_folder(*state, to)), 0);
    free(old);
}

/* One config among several adapters is nobody's, but for the one of peft's own name. */
static void a_config_among_several_is_passed_over(void **state) {
    write_beside(state, "{\"r\":2,\"lora_alpha\":6}");
    write_configured(state, "", "");
    move(state, "lora", "a.safetensors");
    assert_factors(in_folder(*state, "a.safetensors"), 3, 3); /* the only one there */
    write_text(in_folder(*state, "b.safetensors"), "");
    struct lora *l = open_lora(in_folder(*state, "a.safetensors"), 0.5);
    assert_true(lora_passed_config_over(l));
    assert_true(factor_of(l, "a.to_q") == 0.5f);
    lora_close(l);
    move(state, "a.safetensors", "adapter_model.safetensors");
    assert_factors(in_folder(*state, "adapter_model.safetensors"), 3, 3);
}

/* The tiny adapter again, with alpha 8 to its rank 4, is the same at twice the scale. */
static void a_configuration_doubles_the_tiny_adapter(void **state) {
    struct weights *peft;
    assert_int_equal(weights_open_file(&peft, TINY "lora_peft.safetensors", NULL), STATUS_OK);
    size_t n = weights_count(peft);
    struct tensor_spec *t = calloc(n, sizeof *t);
    assert_non_null(t);
    for (size_t i = 0; i < n; i++) {
        const struct weight *w = weights_at(peft, i);
        t[i] = (struct tensor_spec){.name = w->name,
                                    .dtype = "F32",
                                    .rank = w->rank,
                                    .data = w->data,
                                    .size = (size_t)w->count * 4};
        assert_int_equal(w->dtype, DTYPE_F32);
        memcpy(t[i].shape, w->shape, sizeof t[i].shape);
    }
    const char *path = in_folder(*state, "lora");
    write_tensors_with(path, "lora_adapter_metadata",
                       "{\"transformer.lora_alpha\": 8, \"transformer.r\": 4}", t, n);
    struct lora *twice = open_lora(TINY "lora_peft.safetensors", 2.0), *same = open_lora(path, 1.0);
    for (size_t i = 0; i + 1 < n; i += 2) { /* down and up of one module are neighbours */
        const struct weight *down = weights_at(peft, i), *up = weights_at(peft, i + 1);
        const char *from = down->name + strlen("transformer.");
        char module[256];
        snprintf(module, sizeof module, "%.*s", (int)(strlen(from) - strlen(".lora_A.weight")),
                 from);
        float *a = delta_of(twice, module, up->shape[0], down->shape[1]);
        float *b = delta_of(same, module, up->shape[0], down->shape[1]);
        assert_true(lora_has(twice, module) && lora_has(same, module));
        assert_memory_equal(a, b, (size_t)(up->shape[0] * down->shape[1]) * sizeof *a);
        free(a);
        free(b);
    }
    lora_close(twice);
    lora_close(same);
    free(t);
    weights_close(peft);
}

static void scales_must_be_finite(void **state) {
    (void)state;
    struct lora *l;
    struct error err = {""};
    assert_int_equal(lora_open(&l, TINY "lora_peft.safetensors", NAN, &err), STATUS_INVALID);
    assert_int_equal(lora_open(&l, TINY "lora_peft.safetensors", INFINITY, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "lora_peft.safetensors is not a finite number"));
    assert_int_equal(lora_open(&l, "/nowhere/lora", 1.0, &err), STATUS_IO);
    assert_null(l);
}

/* Odd sizes around the blocks of the loop, and ranks around its unrolling. */
static void blocks_do_not_show(void **state) {
    static const int64_t SIZES[][3] = {{1, 1, 1},    {3, 1023, 4},  {2, 1024, 3},
                                       {5, 1025, 7}, {2, 3000, 64}, {1, 2049, 6}};
    for (size_t k = 0; k < sizeof SIZES / sizeof SIZES[0]; k++) {
        int64_t out = SIZES[k][0], in = SIZES[k][1], rank = SIZES[k][2];
        float *down = calloc((size_t)(rank * in), sizeof *down),
              *up = calloc((size_t)(out * rank), sizeof *up);
        assert_true(down && up);
        for (int64_t i = 0; i < rank * in; i++) down[i] = (float)(i % 13 - 6);
        for (int64_t i = 0; i < out * rank; i++) up[i] = (float)(i % 7 - 3);
        const struct tensor_spec t[] = {
            {"m.lora_A.weight", "F32", 2, {rank, in}, down, (size_t)(rank * in) * 4},
            {"m.lora_B.weight", "F32", 2, {out, rank}, up, (size_t)(out * rank) * 4}};
        const char *path = in_folder(*state, "lora");
        write_tensors(path, t, 2);
        struct lora *l = open_lora(path, 2.0);
        float *delta = delta_of(l, "m", out, in);
        for (int64_t o = 0; o < out; o++)
            for (int64_t i = 0; i < in; i++) {
                float sum = 0; /* small whole numbers: exact */
                for (int64_t j = 0; j < rank; j++) sum += up[o * rank + j] * down[j * in + i];
                assert_true(delta[o * in + i] == 2 * sum);
            }
        lora_close(l);
        free(delta);
        free(down);
        free(up);
    }
}

struct share {
    struct lora *lora;
    int from, step;
};

static void *merge_share(void *argument) {
    struct share *share = argument;
    for (int i = share->from; i < 16; i += share->step) {
        char module[16];
        float weight[6] = {0};
        snprintf(module, sizeof module, "m.%d", i);
        enum status s = lora_merge(share->lora, module, weight, 2, 3, NULL);
        if (s != STATUS_OK || weight[0] != PRODUCT[0]) return share;
    }
    return NULL;
}

static void modules_may_be_merged_at_the_same_time(void **state) {
    char keys[32][40];
    struct tensor_spec t[32];
    for (int i = 0; i < 32; i++) {
        bool down = i % 2 == 0;
        snprintf(keys[i], sizeof keys[i], "m.%d.lora_%c.weight", i / 2, down ? 'A' : 'B');
        t[i] = (struct tensor_spec){
            keys[i], "F32", 2, {2, down ? 3 : 2}, down ? DOWN : UP, down ? sizeof DOWN : sizeof UP};
    }
    const char *path = in_folder(*state, "lora");
    write_tensors(path, t, 32);
    struct lora *l = open_lora(path, 1.0);
    pthread_t threads[4];
    struct share shares[4];
    for (int i = 0; i < 4; i++) {
        shares[i] = (struct share){l, i, 4};
        assert_int_equal(pthread_create(&threads[i], NULL, merge_share, &shares[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    lora_close(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_layouts_are_one_adapter),
        cmocka_unit_test_setup_teardown(every_spelling_of_a_key_is_understood, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(other_number_formats_are_read, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(several_adapters_add_up, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(what_matches_nothing_is_named, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(other_sizes_are_refused_and_leave_the_weight_alone,
                                        folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(files_that_are_no_adapter_are_refused, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(the_configuration_decides_the_strength, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(configurations_that_are_not_understood_are_refused,
                                        folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(a_config_beside_gives_the_scale, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(a_bad_config_beside_is_refused, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(sources_that_disagree_are_refused, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(a_config_among_several_is_passed_over, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(a_configuration_doubles_the_tiny_adapter, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test(scales_must_be_finite),
        cmocka_unit_test_setup_teardown(blocks_do_not_show, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(modules_may_be_merged_at_the_same_time, folder_set_up,
                                        folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
