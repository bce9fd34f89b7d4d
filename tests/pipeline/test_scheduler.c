/*
 * The sigmas against diffusers': those of every reference edit, and a table over all modes; the
 * step against a reference edit without guidance; configs that must be refused.
 */
#include "support/unit_test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compute/operations.h"
#include "pipeline/scheduler.h"
#include "support/files.h"
#include "support/safetensors_reader.h"

/* Of single precision near 1.  Within a mode all is equal to the bit on the machine that made the
 * table, but pow, exp and log are the C library's. */
static const float ONE_UNIT = 1.2e-7f;

/* A model's folder with a scheduler config in it. */
static char *folder_with(const char *config) {
    char *folder = temporary_folder();
    assert_int_equal(mkdir(in_folder(folder, "scheduler"), 0700), 0);
    write_text(in_folder(folder, "scheduler/scheduler_config.json"), config);
    return folder;
}

static enum status load(struct scheduler_config *out, const char *config, struct error *err) {
    char *folder = folder_with(config);
    enum status s = scheduler_config_load(out, folder, err);
    remove_folder(folder);
    return s;
}

/* From diffusers 0.42.1: set_timesteps(sigmas=np.linspace(1, 1 / steps, steps),
 * mu=calculate_shift(tokens, ...)) with the constructor's arguments as in `config`.  One step with
 * shift_terminal, where diffusers has NaN, is {1, 0} by contract. */
struct expected {
    int steps;
    int64_t tokens;
    float sigmas[4]; /* number 1, steps / 4, steps / 2, steps - 1 */
    double sigmas_sum, timesteps_sum;
};

/* clang-format off */
static const struct {
    const char *name, *config;
    struct expected rows[7];
} modes[] = {
    {"exponential",
     "{"
     "\"base_shift\": 0.5, \"max_shift\": 0.9, \"max_image_seq_len\": 8192, "
     "\"use_dynamic_shifting\": true, \"shift_terminal\": 0.02"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.0199999809, 1, 0.0199999809, 0.0199999809}, 1.0199999809, 1019.99998},
         {4, 4096, {0.766709328, 0.766709328, 0.455613732, 0.0199999809}, 2.242323041, 2242.32307},
         {8, 4096, {0.91602397, 0.820045769, 0.580074847, 0.0199999809}, 4.7168399692, 4716.83998},
         {28, 4096, {0.980869055, 0.849677086, 0.649219871, 0.0199999809}, 17.138076067, 17138.0759},
         {50, 6032, {0.99061203, 0.871749699, 0.680550694, 0.0199999809}, 31.520091832, 31520.092},
         {100, 4096, {0.994977891, 0.857219636, 0.666820467, 0.0199999809}, 61.883084774, 61883.085},
     }},
    {"exponential, no terminal",
     "{"
     "\"base_shift\": 0.5, \"max_shift\": 0.9, \"max_image_seq_len\": 8192, "
     "\"use_dynamic_shifting\": true, \"shift_terminal\": null"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.666755795, 1, 0.666755795, 0.666755795}, 1.6667557955, 1666.7558},
         {4, 4096, {0.85719192, 0.85719192, 0.666755795, 0.400096297}, 2.924044013, 2924.04398},
         {8, 4096, {0.933358312, 0.85719192, 0.666755795, 0.222291559}, 5.3945498765, 5394.54984},
         {28, 4096, {0.981825411, 0.85719192, 0.666755795, 0.0689912811}, 17.681076013, 17681.076},
         {50, 6032, {0.990833104, 0.874769986, 0.688073695, 0.0430787504}, 31.955289796, 31955.2898},
         {100, 4096, {0.994976938, 0.85719192, 0.666755795, 0.0198097695}, 61.875687109, 61875.6871},
     }},
    {"Lightning",
     "{"
     "\"base_shift\": 1.0986122886681098, \"max_shift\": 1.0986122886681098, "
     "\"max_image_seq_len\": 8192, \"use_dynamic_shifting\": true"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.75, 1, 0.75, 0.75}, 1.75, 1750},
         {4, 4096, {0.899999976, 0.899999976, 0.75, 0.5}, 3.1499999762, 3150},
         {8, 4096, {0.954545498, 0.899999976, 0.75, 0.300000012}, 5.8807359338, 5880.7359},
         {28, 4096, {0.987804949, 0.899999976, 0.75, 0.100000009}, 19.42121008, 19421.2102},
         {50, 6032, {0.993243217, 0.90476191, 0.75, 0.057692308}, 34.297595512, 34297.5955},
         {100, 4096, {0.996644378, 0.899999976, 0.75, 0.0294117648}, 68.101856245, 68101.8561},
     }},
    {"linear",
     "{"
     "\"base_shift\": 0.5, \"max_shift\": 0.9, \"max_image_seq_len\": 8192, "
     "\"use_dynamic_shifting\": true, \"shift_terminal\": 0.02, "
     "\"time_shift_type\": \"linear\""
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.0199999809, 1, 0.0199999809, 0.0199999809}, 1.0199999809, 1019.99998},
         {4, 4096, {0.608342052, 0.608342052, 0.287555516, 0.0199999809}, 1.9158975482, 1915.89753},
         {8, 4096, {0.816033006, 0.650366485, 0.363999903, 0.0199999809}, 3.7153587937, 3715.35877},
         {28, 4096, {0.949042737, 0.673713446, 0.406469107, 0.0199999809}, 12.723497689, 12723.4977},
         {50, 6032, {0.974957585, 0.715904713, 0.444025278, 0.0199999809}, 23.662387252, 23662.3873},
         {100, 4096, {0.985833406, 0.679656267, 0.417279422, 0.0199999809}, 45.158714592, 45158.7145},
     }},
    {"static shift 3",
     "{"
     "\"shift\": 3.0"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.75, 1, 0.75, 0.75}, 1.75, 1750},
         {4, 4096, {0.899999976, 0.899999976, 0.75, 0.5}, 3.1499999762, 3150},
         {8, 4096, {0.954545438, 0.899999976, 0.75, 0.300000012}, 5.8807358742, 5880.73584},
         {28, 4096, {0.98780483, 0.899999976, 0.75, 0.100000009}, 19.421209738, 19421.2098},
         {50, 6032, {0.993243277, 0.90476191, 0.75, 0.057692308}, 34.297595371, 34297.5954},
         {100, 4096, {0.996644318, 0.899999976, 0.75, 0.0294117648}, 68.101856126, 68101.8561},
     }},
    {"static shift 1.7, terminal 0.1",
     "{"
     "\"shift\": 1.7, \"shift_terminal\": 0.1"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.100000024, 1, 0.100000024, 0.100000024}, 1.1000000238, 1100.00002},
         {4, 4096, {0.768852592, 0.768852592, 0.477777779, 0.100000024}, 2.3466303945, 2346.63039},
         {8, 4096, {0.91328913, 0.816627741, 0.585714221, 0.100000024}, 4.8560999632, 4856.09997},
         {28, 4096, {0.979602039, 0.843169451, 0.645678997, 0.100000024}, 17.428783298, 17428.7833},
         {50, 6032, {0.988953471, 0.854116321, 0.655102015, 0.100000024}, 31.262796283, 31262.7962},
         {100, 4096, {0.994592726, 0.849925578, 0.660942793, 0.100000024}, 62.705027401, 62705.0274},
     }},
    {"karras",
     "{"
     "\"base_shift\": 0.5, \"max_shift\": 0.9, \"max_image_seq_len\": 8192, "
     "\"use_dynamic_shifting\": true, \"shift_terminal\": 0.02, "
     "\"use_karras_sigmas\": true"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.0199999809, 1, 0.0199999809, 0.0199999809}, 1.0199999809, 1019.99998},
         {4, 4096, {0.340316355, 0.340316355, 0.0951324031, 0.0199999809}, 1.4554487392, 1455.44873},
         {8, 4096, {0.642883062, 0.401175052, 0.140291885, 0.0199999809}, 2.5647218861, 2564.72188},
         {28, 4096, {0.89414382, 0.438849002, 0.172529578, 0.0199999809}, 8.3117074445, 8311.70737},
         {50, 6032, {0.94041729, 0.460541606, 0.178131863, 0.0199999809}, 14.657374874, 14657.3748},
         {100, 4096, {0.97011745, 0.448908985, 0.18168205, 0.0199999809}, 29.085968636, 29085.9686},
     }},
    {"exponential sigmas",
     "{"
     "\"base_shift\": 0.5, \"max_shift\": 0.9, \"max_image_seq_len\": 8192, "
     "\"use_dynamic_shifting\": true, \"shift_terminal\": 0.02, "
     "\"use_exponential_sigmas\": true"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.0199999809, 1, 0.0199999809, 0.0199999809}, 1.0199999809, 1019.99998},
         {4, 4096, {0.271441668, 0.271441668, 0.0736805797, 0.0199999809}, 1.3651222289, 1365.12224},
         {8, 4096, {0.571860313, 0.327024192, 0.106944822, 0.0199999809}, 2.3089725003, 2308.97248},
         {28, 4096, {0.865117669, 0.362682164, 0.131538346, 0.0199999809}, 7.2855909132, 7285.59094},
         {50, 6032, {0.923266649, 0.383641541, 0.135887146, 0.0199999809}, 12.791495573, 12791.4956},
         {100, 4096, {0.961255133, 0.372363478, 0.138654545, 0.0199999809}, 25.313689167, 25313.689},
     }},
    {"class defaults, dynamic",
     "{"
     "\"use_dynamic_shifting\": true"
     "}",
     {
         {1, 4096, {0, 1, 1, 1}, 1, 1000},
         {2, 4096, {0.759510934, 1, 0.759510934, 0.759510934}, 1.7595109343, 1759.51093},
         {4, 4096, {0.904530764, 0.904530764, 0.759510934, 0.512844145}, 3.1768858433, 3176.8858},
         {8, 4096, {0.95672369, 0.904530764, 0.759510934, 0.310901076}, 5.9394261539, 5939.42609},
         {28, 4096, {0.988408625, 0.904530764, 0.759510934, 0.104720898}, 19.632336028, 19632.336},
         {50, 6032, {0.995365262, 0.932791829, 0.81422621, 0.0821029022}, 36.976135649, 36976.1355},
         {100, 4096, {0.996811807, 0.904530764, 0.759510934, 0.0309147276}, 68.85758739, 68857.5875},
     }},
};
/* clang-format on */

static void check_row(const char *mode, const struct scheduler_config *c,
                      const struct expected *e) {
    float sigmas[101], timesteps[100];
    struct error err;
    if (scheduler_sigmas(c, e->steps, e->tokens, sigmas, timesteps, &err) != STATUS_OK)
        fail_msg("%s: %s", mode, err.text);
    const int at[4] = {1, e->steps / 4, e->steps / 2, e->steps - 1};
    for (int i = 0; i < 4; i++)
        if (!(fabsf(sigmas[at[i]] - e->sigmas[i]) <= ONE_UNIT))
            fail_msg("%s, %d steps: sigma %d is %.9g, diffusers has %.9g", mode, e->steps, at[i],
                     (double)sigmas[at[i]], (double)e->sigmas[i]);
    double sigmas_sum = 0, timesteps_sum = 0;
    for (int i = 0; i < e->steps; i++) {
        assert_true(sigmas[i] > sigmas[i + 1]);
        sigmas_sum += (double)sigmas[i];
        timesteps_sum += (double)timesteps[i];
    }
    assert_true(sigmas[e->steps] == 0.0f);
    if (!(fabs(sigmas_sum - e->sigmas_sum) < 1e-6 && fabs(timesteps_sum - e->timesteps_sum) < 1e-3))
        fail_msg("%s, %d steps: the sums are %.12g, %.12g; diffusers has %.12g, %.12g", mode,
                 e->steps, sigmas_sum, timesteps_sum, e->sigmas_sum, e->timesteps_sum);
}

static void every_mode(void **state) {
    (void)state;
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        struct scheduler_config c;
        struct error err;
        if (load(&c, modes[m].config, &err) != STATUS_OK)
            fail_msg("%s: %s", modes[m].name, err.text);
        for (size_t r = 0; r < 7; r++) check_row(modes[m].name, &c, &modes[m].rows[r]);
    }
}

static void check_edit(const char *model, const char *edit) {
    char path[512];
    struct scheduler_config c;
    struct error err;
    snprintf(path, sizeof path, "%s/%s/model", TEST_DATA, model);
    if (scheduler_config_load(&c, path, &err) != STATUS_OK) fail_msg("%s", err.text);

    snprintf(path, sizeof path, "%s/%s/%s/trace.safetensors", TEST_DATA, model, edit);
    struct safetensors_reader *trace = safetensors_reader_open(path);
    int steps = (int)safetensors_reader_get(trace, "timesteps").count;
    int64_t tokens = safetensors_reader_get(trace, "noise").shape[0];
    assert_int_equal(safetensors_reader_get(trace, "sigmas").count, steps + 1);
    float *expected_sigmas = safetensors_reader_floats(trace, "sigmas");
    float *expected_timesteps = safetensors_reader_floats(trace, "timesteps");
    float sigmas[101], timesteps[100];
    assert_true(steps >= 1 && steps <= 100);
    assert_int_equal(scheduler_sigmas(&c, steps, tokens, sigmas, timesteps, &err), STATUS_OK);
    for (int i = 0; i <= steps; i++)
        if (!(fabsf(sigmas[i] - expected_sigmas[i]) <= ONE_UNIT))
            fail_msg("%s: sigma %d is %.9g, diffusers has %.9g", edit, i, (double)sigmas[i],
                     (double)expected_sigmas[i]);
    for (int i = 0; i < steps; i++)
        assert_true(fabsf(timesteps[i] - expected_timesteps[i]) <= 1000 * ONE_UNIT);
    free(expected_timesteps);
    free(expected_sigmas);
    safetensors_reader_close(trace);
}

static void reference_edits(void **state) {
    (void)state;
    check_edit("tiny-edit", "one-image-cfg");
    check_edit("tiny-edit", "two-images-no-cfg");
    check_edit("tiny-edit", "three-images-size");
    check_edit("tiny-edit", "lora-0.7");
    check_edit("tiny-edit-bf16-sharded", "bf16-zero-cond-t");
}

static void euler_step(struct compute *c, float *latents, const float *velocity, size_t n,
                       float dt) {
    struct workspace *w;
    struct workspace_size size = {.device = 2 * n * sizeof(float) + 1024};
    assert_int_equal(workspace_create(&w, c, size, NULL, NULL, NULL), STATUS_OK);
    struct tensor x = tensor_take(w, 1, (int64_t)n), v = tensor_take(w, 1, (int64_t)n);
    tensor_upload(w, x, latents);
    tensor_upload(w, v, velocity);
    op_euler_step(w, x, v, dt);
    tensor_download(w, latents, x);
    assert_int_equal(workspace_check(w, NULL), STATUS_OK);
    workspace_destroy(w);
}

/* Without guidance the transformer's output is the velocity. */
static void steps_of_an_edit(void **state) {
    (void)state;
    struct compute *c;
    assert_int_equal(compute_create(&c, &(struct compute_options){.threads = 1}, NULL), STATUS_OK);
    struct safetensors_reader *trace =
        safetensors_reader_open(TEST_DATA "/tiny-edit/two-images-no-cfg/trace.safetensors");
    size_t n = safetensors_reader_get(trace, "noise").count;
    int steps = (int)safetensors_reader_get(trace, "timesteps").count;
    float *latents = safetensors_reader_floats(trace, "noise");
    float *sigmas = safetensors_reader_floats(trace, "sigmas");
    for (int i = 0; i < steps; i++) {
        char name[48];
        snprintf(name, sizeof name, "step%d.noise_pred_cond", i);
        float *velocity = safetensors_reader_floats(trace, name);
        snprintf(name, sizeof name, "step%d.latents", i);
        float *expected = safetensors_reader_floats(trace, name);
        euler_step(c, latents, velocity, n, sigmas[i + 1] - sigmas[i]);
        for (size_t k = 0; k < n; k++)
            if (!(fabsf(latents[k] - expected[k]) <= 1e-6f))
                fail_msg("%s[%zu] is %.9g, diffusers has %.9g", name, k, (double)latents[k],
                         (double)expected[k]);
        free(expected);
        free(velocity);
    }
    free(sigmas);
    free(latents);
    safetensors_reader_close(trace);
    compute_destroy(c);
}

static void defaults_of_the_class(void **state) {
    (void)state;
    struct scheduler_config c;
    struct error err;
    assert_int_equal(
        load(&c, "{\"shift_terminal\": null, \"base_shift\": null, \"max_shift\": null}", &err),
        STATUS_OK);
    assert_int_equal(c.num_train_timesteps, 1000);
    assert_false(c.use_dynamic_shifting);
    assert_true(c.shift == 1.0 && c.base_shift == 0.5 && c.max_shift == 1.15 &&
                c.shift_terminal == 0);
    assert_int_equal(c.base_image_seq_len, 256);
    assert_int_equal(c.max_image_seq_len, 4096);
    assert_int_equal(c.time_shift_type, SCHEDULER_SHIFT_EXPONENTIAL);
    assert_int_equal(c.spacing, SCHEDULER_SPACING_FLOW);
}

static void the_published_model(void **state) {
    (void)state;
    struct scheduler_config c;
    struct error err;
    assert_int_equal(scheduler_config_load(&c, TEST_DATA "/full-size", &err), STATUS_OK);
    assert_true(c.use_dynamic_shifting && c.shift_terminal == 0.02 && c.max_shift == 0.9);
    assert_int_equal(c.max_image_seq_len, 8192);
}

static void bad_configs(void **state) {
    (void)state;
    static const struct {
        const char *config, *key; /* the sentence must tell the key */
    } bad[] = {
        {"{\"_class_name\": \"DDIMScheduler\"}", "_class_name"},
        {"{\"_class_name\": 3}", "_class_name"},
        {"{\"num_train_timesteps\": 0}", "num_train_timesteps"},
        {"{\"num_train_timesteps\": 1000.5}", "num_train_timesteps"},
        {"{\"num_train_timesteps\": 1000000000000}", "num_train_timesteps"},
        {"{\"shift\": 0}", "shift"},
        {"{\"shift\": -1.0}", "shift"},
        {"{\"shift\": 1e300}", "shift"},
        {"{\"shift\": \"3\"}", "shift"},
        {"{\"use_dynamic_shifting\": 1}", "use_dynamic_shifting"},
        {"{\"base_shift\": []}", "base_shift"},
        {"{\"max_shift\": true}", "max_shift"},
        {"{\"base_image_seq_len\": -1}", "base_image_seq_len"},
        {"{\"base_image_seq_len\": 4096}", "base_image_seq_len"},
        {"{\"max_image_seq_len\": 256}", "max_image_seq_len"},
        {"{\"max_image_seq_len\": \"many\"}", "max_image_seq_len"},
        {"{\"shift_terminal\": 1}", "shift_terminal"},
        {"{\"shift_terminal\": -0.1}", "shift_terminal"},
        {"{\"shift_terminal\": \"0.02\"}", "shift_terminal"},
        {"{\"time_shift_type\": \"cosine\"}", "time_shift_type"},
        {"{\"time_shift_type\": 1}", "time_shift_type"},
        {"{\"invert_sigmas\": true}", "invert_sigmas"},
        {"{\"invert_sigmas\": \"no\"}", "invert_sigmas"},
        {"{\"stochastic_sampling\": true}", "stochastic_sampling"},
        {"{\"use_beta_sigmas\": true}", "use_beta_sigmas"},
        {"{\"use_karras_sigmas\": 0}", "use_karras_sigmas"},
        {"{\"use_exponential_sigmas\": {}}", "use_exponential_sigmas"},
        {"{\"use_karras_sigmas\": true, \"use_exponential_sigmas\": true}", "use_karras_sigmas"},
        {"{\"shift\": 1.0, \"shift\": 2.0}", "scheduler_config.json"},
        {"[]", "scheduler_config.json"},
        {"", "scheduler_config.json"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scheduler_config c;
        struct error err = {""};
        enum status s = load(&c, bad[i].config, &err);
        if (s != STATUS_INVALID || !strstr(err.text, bad[i].key) ||
            !strstr(err.text, "scheduler_config.json"))
            fail_msg("%s: status %d, \"%s\"", bad[i].config, (int)s, err.text);
    }
    struct scheduler_config c;
    struct error err = {""};
    assert_int_equal(scheduler_config_load(&c, TEST_DATA "/no-such-model", &err), STATUS_IO);
    assert_non_null(strstr(err.text, "no-such-model"));
}

static void bad_arguments(void **state) {
    (void)state;
    float sigmas[SCHEDULER_MAX_STEPS + 1], timesteps[SCHEDULER_MAX_STEPS];
    struct scheduler_config c;
    struct error err;
    assert_int_equal(load(&c, modes[0].config, &err), STATUS_OK);
    assert_int_equal(scheduler_sigmas(&c, 0, 4096, sigmas, timesteps, &err), STATUS_INVALID);
    assert_int_equal(scheduler_sigmas(&c, -1, 4096, sigmas, timesteps, &err), STATUS_INVALID);
    assert_int_equal(scheduler_sigmas(&c, 1001, 4096, sigmas, timesteps, &err), STATUS_INVALID);
    assert_int_equal(scheduler_sigmas(&c, 4, 0, sigmas, timesteps, &err), STATUS_INVALID);
    assert_int_equal(scheduler_sigmas(&c, SCHEDULER_MAX_STEPS, 1, sigmas, timesteps, &err),
                     STATUS_OK);

    static const char *const far_out[] = {
        "{\"use_dynamic_shifting\": true, \"base_shift\": 0.5, \"max_shift\": 1e6}",
        "{\"use_dynamic_shifting\": true, \"base_shift\": -1e308, \"max_shift\": 1e308}",
        "{\"use_dynamic_shifting\": true, \"base_shift\": -1e6, \"max_shift\": -1e6}",
        "{\"use_dynamic_shifting\": true, \"base_shift\": 0, \"max_shift\": -1, "
        "\"time_shift_type\": \"linear\"}",
        "{\"use_dynamic_shifting\": true, \"base_shift\": 40, \"max_shift\": 40, "
        "\"shift_terminal\": 0.02}",
    };
    for (size_t i = 0; i < sizeof far_out / sizeof *far_out; i++) {
        assert_int_equal(load(&c, far_out[i], &err), STATUS_OK);
        if (scheduler_sigmas(&c, 4, 4096, sigmas, timesteps, &err) != STATUS_INVALID)
            fail_msg("%s: accepted", far_out[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode),          cmocka_unit_test(reference_edits),
        cmocka_unit_test(steps_of_an_edit),    cmocka_unit_test(defaults_of_the_class),
        cmocka_unit_test(the_published_model), cmocka_unit_test(bad_configs),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
