/* The VAE in bands of any height: the bytes of one band as high as the picture, and less memory. */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/vae.h"
#include "support/device.h"
#include "weights/weights.h"

#define MODEL TEST_DATA "/tiny-edit/model"

struct vae_test {
    struct compute *compute;
    struct vae_config config;
    struct vae *vae;
    int64_t scale;
};

static void open_vae(struct vae_test *t, int threads) {
    struct error err = {""};
    struct weights *weights = NULL;
    enum status s = compute_create(
        &t->compute, &(struct compute_options){.device = test_device(), .threads = threads}, &err);
    if (s == STATUS_OK) s = vae_config_load(&t->config, MODEL, &err);
    if (s == STATUS_OK) s = weights_open(&weights, MODEL "/vae", "diffusion_pytorch_model", &err);
    struct loader l = {.component = "vae", .weights = weights, .compute = t->compute};
    if (s == STATUS_OK) s = vae_load(&t->vae, &t->config, &l, &err);
    if (s != STATUS_OK) fail_msg("%s", err.text);
    weights_close(weights);
    t->scale = vae_scale(&t->config);
}

static void close_vae(struct vae_test *t) {
    vae_destroy(t->vae);
    compute_destroy(t->compute);
}

static struct tensor take_latents(struct vae_test *t, struct workspace *w, int64_t height,
                                  int64_t width) {
    return tensor_take(w, height / t->scale * (width / t->scale), t->config.z);
}

static enum status run_encoder(struct vae_test *t, struct workspace *w, float *mean,
                               const float *picture, int64_t height, int64_t width,
                               struct error *err) {
    struct tensor latents = take_latents(t, w, height, width);
    enum status s = vae_encode(t->vae, w, latents, picture, height, width, err);
    if (s == STATUS_OK) tensor_download(w, mean, latents);
    return s;
}

/* The bytes must be the floats'. */
static enum status run_decoder(struct vae_test *t, struct workspace *w, float *picture,
                               const float *in, int64_t height, int64_t width, struct error *err) {
    int64_t n = height * width * t->config.picture_channels;
    struct vae_picture decoded = {.bytes = malloc((size_t)n), .floats = picture};
    assert_non_null(decoded.bytes);
    struct tensor latents = take_latents(t, w, height, width);
    tensor_upload(w, latents, in);
    enum status s =
        vae_decode(t->vae, w, &decoded, latents, height / t->scale, width / t->scale, err);
    for (int64_t i = 0; i < n && s == STATUS_OK && !workspace_is_dry(w); i++)
        assert_int_equal(decoded.bytes[i], (int)rintf((picture[i] / 2 + 0.5f) * 255));
    assert_true(decoded.finite);
    free(decoded.bytes);
    return s;
}

/* From `in` to `out`, both of a picture of height x width; the peak of the device's memory. */
static size_t run(struct vae_test *t, bool encode, float *out, const float *in, int64_t height,
                  int64_t width) {
    struct workspace *w;
    struct error err = {""};
    struct workspace_size size = {0};
    for (int real = 0; real < 2; real++) {
        enum status s = real ? workspace_create(&w, t->compute, size, NULL, NULL, &err)
                             : workspace_create_dry(&w, t->compute, &err);
        if (s == STATUS_OK)
            s = encode ? run_encoder(t, w, out, in, height, width, &err)
                       : run_decoder(t, w, out, in, height, width, &err);
        if (s != STATUS_OK) fail_msg("%s", err.text);
        struct workspace_size peak = workspace_peak(w);
        if (real) assert_memory_equal(&peak, &size, sizeof peak);
        size = peak;
        workspace_destroy(w);
    }
    return size.device;
}

static float *numbers(int64_t n) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 7919 % 2003) / 1001.5f - 1.0f;
    return x;
}

static void same_bytes(struct vae_test *t, bool encode, int64_t height, int64_t width) {
    int64_t pixels = height * width, latents = pixels / t->scale / t->scale * t->config.z;
    int64_t colours = pixels * t->config.picture_channels;
    int64_t n = encode ? latents : colours;
    float *in = numbers(encode ? colours : latents), *whole = numbers(n), *banded = numbers(n);
    vae_set_band(t->vae, height);
    size_t whole_bytes = run(t, encode, whole, in, height, width);
    for (int64_t rows = 1; rows < height; rows = rows * 3 + 1) {
        vae_set_band(t->vae, rows);
        size_t bytes = run(t, encode, banded, in, height, width);
        if (memcmp(whole, banded, (size_t)n * sizeof *whole) != 0)
            fail_msg("%s %dx%d in bands of %d rows differs", encode ? "encode" : "decode",
                     (int)height, (int)width, (int)rows);
        if (height >= 512 && rows <= 40 && bytes * 4 > whole_bytes * 3)
            fail_msg("%s %dx%d in bands of %d rows takes %zu of %zu bytes",
                     encode ? "encode" : "decode", (int)height, (int)width, (int)rows, bytes,
                     whole_bytes);
    }
    free(in);
    free(whole);
    free(banded);
}

static void bands(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        struct vae_test t;
        open_vae(&t, threads);
        const int64_t heights[] = {1, 2, 5, 9, 67};
        for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
            same_bytes(&t, true, heights[i] * t.scale, 3 * t.scale);
            same_bytes(&t, false, heights[i] * t.scale, 3 * t.scale);
        }
        close_vae(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
