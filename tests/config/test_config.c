/* Every variable by name, good and bad; and which source wins. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/loading.h"
#include "config/options.h"
#include "support/files.h"

static void test_defaults(void **state) {
    (void)state;
    struct config c;
    load_good(&c);
    assert_null(c.model_id);
    assert_int_equal(c.max_concurrent_jobs, 2);
    assert_true(c.timeout_seconds == 120.0);
    assert_int_equal(c.default_steps, 0);
    assert_true(c.default_guidance < 0);
    assert_string_equal(c.host, "0.0.0.0");
    assert_int_equal(c.port, 7000);
    assert_int_equal(c.max_queue, 64);
    assert_int_equal(c.max_upload_mb, 32);
    assert_int_equal(c.max_image_pixels, 64000000);
    assert_int_equal(c.max_steps, 100);
    assert_true(c.result_ttl_seconds == 600.0);
    assert_int_equal(c.result_max_mb, 256);
    assert_null(c.api_key);
    assert_string_equal(c.device, "auto");
    assert_int_equal(c.dtype, FIRERED_DTYPE_AUTO);
    assert_int_equal(c.threads, 0);
    assert_int_equal(c.seed_generator, FIRERED_GENERATOR_CPU);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_null(c.cors_origins);
    assert_int_equal(c.lora_count, 0);
    assert_string_equal(c.negative_prompt, " ");
    assert_null(c.hf_home);
    config_free(&c);
    config_free(&c); /* empty already */
}

struct good {
    const char *variable, *value;
    int64_t whole; /* or a choice */
    double real;
    const char *text; /* NULL: the value itself, for strings */
};

static const struct good good_values[] = {
    {"MODEL_ID", "demo", 0, 0, NULL},
    {"MODEL_ID", "/models/a b", 0, 0, NULL},
    {"MAX_CONCURRENT_JOBS", "1", 1, 0, NULL},
    {"MAX_CONCURRENT_JOBS", "256", 256, 0, NULL},
    {"TIMEOUT_SECONDS", "0.5", 0, 0.5, NULL},
    {"TIMEOUT_SECONDS", "86400", 0, 86400, NULL},
    {"TIMEOUT_SECONDS", "1e2", 0, 100, NULL},
    {"DEFAULT_STEPS", "1", 1, 0, NULL},
    {"DEFAULT_STEPS", "100", 100, 0, NULL},
    {"DEFAULT_GUIDANCE", "0", 0, 0, NULL},
    {"DEFAULT_GUIDANCE", "30", 0, 30, NULL},
    {"DEFAULT_GUIDANCE", "4.5", 0, 4.5, NULL},
    {"HOST", "127.0.0.1", 0, 0, NULL},
    {"HOST", "::1", 0, 0, NULL},
    {"HOST", "localhost", 0, 0, NULL},
    {"PORT", "0", 0, 0, NULL},
    {"PORT", "65535", 65535, 0, NULL},
    {"MAX_QUEUE", "0", 0, 0, NULL},
    {"MAX_QUEUE", "100000", 100000, 0, NULL},
    {"MAX_UPLOAD_MB", "1", 1, 0, NULL},
    {"MAX_UPLOAD_MB", "4096", 4096, 0, NULL},
    {"MAX_IMAGE_PIXELS", "1", 1, 0, NULL},
    {"MAX_IMAGE_PIXELS", "4294967296", 4294967296, 0, NULL},
    {"MAX_STEPS", "1000", 1000, 0, NULL},
    {"RESULT_TTL_SECONDS", "0.5", 0, 0.5, NULL},
    {"RESULT_MAX_MB", "1", 1, 0, NULL},
    {"API_KEY", "s3cret-_.~", 0, 0, NULL},
    {"DEVICE", "cpu", 0, 0, NULL},
    {"DEVICE", "cuda", 0, 0, NULL},
    {"DEVICE", "cuda:12", 0, 0, NULL},
    {"DEVICE_MEMORY", "12G", 12884901888, 0, NULL},
    {"DTYPE", "float32", FIRERED_DTYPE_FLOAT32, 0, NULL},
    {"DTYPE", "bfloat16", FIRERED_DTYPE_BFLOAT16, 0, NULL},
    {"DTYPE", "int8", FIRERED_DTYPE_INT8, 0, NULL},
    {"THREADS", "0", 0, 0, NULL},
    {"THREADS", "96", 96, 0, NULL},
    {"MEMORY_LIMIT", "1", 1, 0, NULL},
    {"MEMORY_LIMIT", "3K", 3072, 0, NULL},
    {"MEMORY_LIMIT", "800M", 838860800, 0, NULL},
    {"MEMORY_LIMIT", "12G", 12884901888, 0, NULL},
    {"MEMORY_LIMIT", "auto", (int64_t)FIRERED_MEMORY_AUTO, 0, NULL},
    {"SEED_GENERATOR", "cuda", FIRERED_GENERATOR_CUDA, 0, NULL},
    {"COLOR_PROFILES", "convert", 0, 0, NULL},
    {"COLOR_PROFILES", "ignore", 1, 0, NULL},
    {"LOG_LEVEL", "debug", LOG_DEBUG, 0, NULL},
    {"LOG_LEVEL", "error", LOG_ERROR, 0, NULL},
    {"CORS_ORIGINS", "*", 0, 0, NULL},
    {"CORS_ORIGINS", "chrome-extension://abc,app://obsidian.md,null", 0, 0, NULL},
    {"CORS_ORIGINS", "https://a.example, http://localhost:3000", 0, 0, NULL},
    {"ALLOWED_HOSTS", "localhost, edit.example.org,10.0.0.1,::1,[fe80::1]", 0, 0, NULL},
    {"NEGATIVE_PROMPT", "blurry, 低画质", 0, 0, NULL},
    {"HF_HOME", "/var/cache/hf", 0, 0, NULL},
    {"HF_TOKEN", "hf_abc", 0, 0, NULL},
    {"HF_ENDPOINT", "https://mirror.example", 0, 0, NULL},
    {"PULL", "never", PULL_NEVER, 0, NULL},
    {"HF_HUB_CACHE", "/var/cache/models", 0, 0, NULL},
    {"XDG_CACHE_HOME", "/var/cache", 0, 0, NULL},
    {"HUGGINGFACE_HUB_CACHE", "/var/cache/models", 0, 0, NULL},
    {"HF_TOKEN_PATH", "/run/secrets/token", 0, 0, NULL},
    {"HUGGING_FACE_HUB_TOKEN", "hf_abc", 0, 0, NULL},
    {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes", 0, 0, NULL},
    {"HF_HUB_OFFLINE", "1", 0, 0, NULL},
    {"TRANSFORMERS_OFFLINE", "1", 0, 0, NULL},
    {"HF_HUB_DOWNLOAD_TIMEOUT", "30", 0, 0, NULL},
};

static const struct option *option_named(const char *variable) {
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].variable, variable) == 0) return &option_table[i];
    fail_msg("no option %s", variable);
    return NULL;
}

static void check_field(const struct config *c, const struct good *g) {
    const struct option *o = option_named(g->variable);
    const void *field = (const char *)c + o->offset;
    switch (o->kind) {
    case OPTION_INT:
    case OPTION_CHOICE: assert_int_equal(*(const int *)field, g->whole); break;
    case OPTION_INT64: assert_int_equal(*(const int64_t *)field, g->whole); break;
    case OPTION_BYTES:
    case OPTION_MEMORY: assert_int_equal(*(const uint64_t *)field, g->whole); break;
    case OPTION_REAL: assert_true(*(const double *)field == g->real); break;
    default: assert_string_equal(*(char *const *)field, g->value);
    }
}

/* The same value has to arrive from each of the three sources. */
static void test_good_values(void **state) {
    for (size_t i = 0; i < sizeof good_values / sizeof good_values[0]; i++) {
        const struct good *g = &good_values[i];
        char flag[OPTION_FLAG_SIZE], word[OPTION_FLAG_SIZE + 256], line[512];
        struct config c;
        struct error err;

        set_up(state);
        setenv(g->variable, g->value, 1);
        if (load(&c, &err, NULL) != STATUS_OK) fail_msg("%s", err.text);
        check_field(&c, g);
        config_free(&c);

        set_up(state);
        snprintf(line, sizeof line, "%s=\"%s\"\n", g->variable, g->value);
        write_env(line);
        if (load(&c, &err, NULL) != STATUS_OK) fail_msg("%s", err.text);
        check_field(&c, g);
        config_free(&c);

        set_up(state);
        option_flag(option_named(g->variable), flag);
        snprintf(word, sizeof word, "--%s=%s", flag, g->value);
        if (LOAD(&c, &err, word) != STATUS_OK) fail_msg("%s", err.text);
        check_field(&c, g);
        config_free(&c);
    }
}

static void test_every_option_is_tested(void **state) {
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        bool found = strcmp(option_table[i].variable, "LORA") == 0 ||
                     strcmp(option_table[i].variable, "LOG_FORMAT") == 0;
        for (size_t j = 0; j < sizeof good_values / sizeof good_values[0]; j++)
            found |= strcmp(option_table[i].variable, good_values[j].variable) == 0;
        if (!found) fail_msg("%s has no test", option_table[i].variable);
    }
}

static const struct {
    const char *variable, *value, *message;
} bad_values[] = {
    {"MODEL_ID", "a\nb",
     "MODEL_ID=a?b (from the environment): must be at most 4096 bytes without "
     "control characters"},
    {"MAX_CONCURRENT_JOBS", "0",
     "MAX_CONCURRENT_JOBS=0 (from the environment): must be a whole number from 1 to 256"},
    {"MAX_CONCURRENT_JOBS", "257",
     "MAX_CONCURRENT_JOBS=257 (from the environment): must be a whole number from 1 to 256"},
    {"MAX_CONCURRENT_JOBS", "2.0",
     "MAX_CONCURRENT_JOBS=2.0 (from the environment): must be a whole number from 1 to 256"},
    {"TIMEOUT_SECONDS", "0",
     "TIMEOUT_SECONDS=0 (from the environment): must be a number from 0.001 to 86400"},
    {"TIMEOUT_SECONDS", "nan",
     "TIMEOUT_SECONDS=nan (from the environment): must be a number from 0.001 to 86400"},
    {"TIMEOUT_SECONDS", "2m",
     "TIMEOUT_SECONDS=2m (from the environment): must be a number from 0.001 to 86400"},
    {"TIMEOUT_SECONDS", "1e999",
     "TIMEOUT_SECONDS=1e999 (from the environment): must be a number from 0.001 to 86400"},
    {"DEFAULT_STEPS", "0",
     "DEFAULT_STEPS=0 (from the environment): must be a whole number from 1 to 1000"},
    {"DEFAULT_GUIDANCE", "-1",
     "DEFAULT_GUIDANCE=-1 (from the environment): must be a number from 0 to 30"},
    {"DEFAULT_GUIDANCE", "inf",
     "DEFAULT_GUIDANCE=inf (from the environment): must be a number from 0 to 30"},
    {"DEFAULT_GUIDANCE", "0x1",
     "DEFAULT_GUIDANCE=0x1 (from the environment): must be a number from 0 to 30"},
    {"HOST", "a b", "HOST=a b (from the environment): must be a host name or an IP address"},
    {"PORT", "65536", "PORT=65536 (from the environment): must be a whole number from 0 to 65535"},
    {"PORT", "-1", "PORT=-1 (from the environment): must be a whole number from 0 to 65535"},
    {"PORT", "http", "PORT=http (from the environment): must be a whole number from 0 to 65535"},
    {"PORT", "8 0", "PORT=8 0 (from the environment): must be a whole number from 0 to 65535"},
    {"PORT", "99999999999999999999",
     "PORT=99999999999999999999 (from the environment): must be a whole number from 0 to "
     "65535"},
    {"MAX_QUEUE", "-1",
     "MAX_QUEUE=-1 (from the environment): must be a whole number from 0 to 100000"},
    {"MAX_UPLOAD_MB", "0",
     "MAX_UPLOAD_MB=0 (from the environment): must be a whole number from 1 to 4096"},
    {"MAX_IMAGE_PIXELS", "0",
     "MAX_IMAGE_PIXELS=0 (from the environment): must be a whole number from 1 to 4294967296"},
    {"MAX_IMAGE_PIXELS", "4294967297",
     "MAX_IMAGE_PIXELS=4294967297 (from the environment): must be a whole number from 1 to "
     "4294967296"},
    {"MAX_STEPS", "0", "MAX_STEPS=0 (from the environment): must be a whole number from 1 to 1000"},
    {"API_KEY", "two words",
     "API_KEY=(not shown) (from the environment): must be 1 to 4096 visible ASCII characters"},
    {"API_KEY", "schl\xc3\xbcssel",
     "API_KEY=(not shown) (from the environment): must be 1 to 4096 visible ASCII characters"},
    {"DEVICE", "gpu",
     "DEVICE=gpu (from the environment): must be auto, cpu, cuda, or cuda:N with N from 0 to 999"},
    {"DEVICE", "cuda:",
     "DEVICE=cuda: (from the environment): must be auto, cpu, cuda, or cuda:N with N from 0 to "
     "999"},
    {"DEVICE", "cuda:1000",
     "DEVICE=cuda:1000 (from the environment): must be auto, cpu, cuda, or cuda:N with N from 0 to "
     "999"},
    {"DEVICE_MEMORY", "auto",
     "DEVICE_MEMORY=auto (from the environment): must be a number of bytes, such as 800M or 12G"},
    {"DTYPE", "fp16", "DTYPE=fp16 (from the environment): must be auto, float32, bfloat16 or int8"},
    {"THREADS", "-2", "THREADS=-2 (from the environment): must be a whole number from 0 to 4096"},
    {"MEMORY_LIMIT", "0",
     "MEMORY_LIMIT=0 (from the environment): must be a number of bytes, such as 800M or 12G, "
     "or "
     "auto"},
    {"MEMORY_LIMIT", "-1",
     "MEMORY_LIMIT=-1 (from the environment): must be a number of bytes, such as 800M or 12G, "
     "or "
     "auto"},
    {"MEMORY_LIMIT", "12g",
     "MEMORY_LIMIT=12g (from the environment): must be a number of bytes, such as 800M or 12G, "
     "or "
     "auto"},
    {"MEMORY_LIMIT", "12GB",
     "MEMORY_LIMIT=12GB (from the environment): must be a number of bytes, such as 800M or "
     "12G, or "
     "auto"},
    {"MEMORY_LIMIT", "1.5G",
     "MEMORY_LIMIT=1.5G (from the environment): must be a number of bytes, such as 800M or "
     "12G, or "
     "auto"},
    {"MEMORY_LIMIT", "G",
     "MEMORY_LIMIT=G (from the environment): must be a number of bytes, such as 800M or 12G, "
     "or "
     "auto"},
    {"MEMORY_LIMIT", "17179869184G",
     "MEMORY_LIMIT=17179869184G (from the environment): must be a number of bytes, such as "
     "800M or 12G, or "
     "auto"},
    {"MEMORY_LIMIT", "99999999999999999999",
     "MEMORY_LIMIT=99999999999999999999 (from the environment): must be a number of bytes, "
     "such as 800M or 12G, or "
     "auto"},
    {"SEED_GENERATOR", "auto", "SEED_GENERATOR=auto (from the environment): must be cpu or cuda"},
    {"LOG_FORMAT", "xml", "LOG_FORMAT=xml (from the environment): must be text or json"},
    {"LOG_LEVEL", "loud",
     "LOG_LEVEL=loud (from the environment): must be debug, info, warn or error"},
    {"CORS_ORIGINS", "example.org",
     "CORS_ORIGINS=example.org (from the environment): must be *, or origins like "
     "https://example.org, "
     "comma-separated"},
    {"CORS_ORIGINS", "https://a.example/",
     "CORS_ORIGINS=https://a.example/ (from the environment): must "
     "be *, or origins like https://example.org, comma-separated"},
    {"CORS_ORIGINS", "https://a.example,",
     "CORS_ORIGINS=https://a.example, (from the environment): must be *, or origins like "
     "https://example.org, comma-separated"},
    {"CORS_ORIGINS", "https://a\r\nX: y",
     "CORS_ORIGINS=https://a??X: y (from the environment): must be *, or origins like "
     "https://example.org, comma-separated"},
    {"ALLOWED_HOSTS", "localhost:7000",
     "ALLOWED_HOSTS=localhost:7000 (from the environment): must be host names or IP addresses "
     "without a port, comma-separated"},
    {"ALLOWED_HOSTS", "http://localhost",
     "ALLOWED_HOSTS=http://localhost (from the environment): must be host names or IP addresses "
     "without a port, comma-separated"},
    {"ALLOWED_HOSTS", "a,,b",
     "ALLOWED_HOSTS=a,,b (from the environment): must be host names or IP addresses without a "
     "port, comma-separated"},
    {"ALLOWED_HOSTS", "*",
     "ALLOWED_HOSTS=* (from the environment): must be host names or IP addresses without a port, "
     "comma-separated"},
    {"LORA", "a.safetensors,",
     "LORA (from the environment): '' names no adapter file: it must be FILE[:SCALE]"},
    {"LORA", ":0.5",
     "LORA (from the environment): ':0.5' names no adapter file: it must be FILE[:SCALE]"},
    {"LORA", "a:101",
     "LORA (from the environment): the scale of adapter 'a:101' must be from -100 to 100"},
    {"NEGATIVE_PROMPT", "\xff\xfe",
     "NEGATIVE_PROMPT=?? (from the environment): must be UTF-8 text of at most 65536 "
     "bytes"},
    {"HF_HOME", "a\tb",
     "HF_HOME=a?b (from the environment): must be at most 4096 bytes without control "
     "characters"},
    {"HF_TOKEN", "a b",
     "HF_TOKEN=(not shown) (from the environment): must be 1 to 4096 visible ASCII characters"},
    {"HF_ENDPOINT", "mirror.example",
     "HF_ENDPOINT=mirror.example (from the environment): must be a URL "
     "that starts with https:// or http://"},
};

static void test_bad_values(void **state) {
    for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) {
        struct config c;
        struct error err;
        set_up(state);
        setenv(bad_values[i].variable, bad_values[i].value, 1);
        assert_int_equal(load(&c, &err, NULL), STATUS_INVALID);
        assert_string_equal(err.text, bad_values[i].message);
        assert_null(c.host);
    }
}

static void test_precedence(void **state) {
    (void)state;
    struct config c;
    struct error err;
    write_env("PORT=1000\nMAX_QUEUE=1\nHOST=file\nMAX_STEPS=\n");
    setenv("PORT", "2000", 1);
    setenv("MAX_QUEUE", "", 1); /* empty is unset: the file's counts */
    setenv("HOST", "environment", 1);
    assert_int_equal(LOAD(&c, &err, "--port", "3000"), STATUS_OK);
    assert_int_equal(c.port, 3000);
    assert_int_equal(c.max_queue, 1);
    assert_string_equal(c.host, "environment");
    assert_int_equal(c.max_steps, 100);
    config_free(&c);

    assert_int_equal(LOAD(&c, &err, "--port=", "--host", "a", "--host", "b"), STATUS_OK);
    assert_int_equal(c.port, 2000);
    assert_string_equal(c.host, "b");
    config_free(&c);
}

static void test_sources_are_named(void **state) {
    (void)state;
    struct config c;
    struct error err;
    assert_int_equal(LOAD(&c, &err, "--port", "x"), STATUS_INVALID);
    assert_string_equal(err.text, "PORT=x (from --port): must be a whole number from 0 to 65535");
    write_env("# two lines\nPORT=x\n");
    assert_int_equal(LOAD(&c, &err, NULL), STATUS_INVALID);
    assert_string_equal(err.text,
                        "PORT=x (from .env, line 2): must be a whole number from 0 to 65535");
    write_env("API_KEY='hidden\n");
    assert_int_equal(LOAD(&c, &err, NULL), STATUS_INVALID);
    assert_string_equal(err.text, ".env, line 1: API_KEY: the quote is not closed on its line");
}

static void check_warnings(const struct config *c, const char *const *expected, size_t count) {
    for (size_t i = 0; i < c->warning_count && i < count; i++)
        assert_string_equal(c->warnings[i], expected[i]);
    assert_int_equal(c->warning_count, count);
}

/* A .env of another project: nothing in it is an error, and what is ours counts. */
static void test_foreign_file(void **state) {
    (void)state;
    static const char *const expected[] = {
        ".env, line 8: MODLE_ID is no setting: did you mean MODEL_ID?",
        ".env, line 9: model_id is no setting: did you mean MODEL_ID?",
        ".env, line 10: FIRERED_MAX_QUEUE is no setting: did you mean MAX_QUEUE?",
        ".env: passed over what is no setting of firered (lines 2, 3, 4, 5, 6)"};
    struct config c;
    write_env("# of another project\nSECRET_KEY_BASE=abc=def==\n"
              "DATABASE_URL=\"postgres://user:pa$$@db/x\njust a line\n"
              "export NODE_ENV=production\nkey: value\nPORT=8100\n"
              "MODLE_ID=demo\nmodel_id=demo\nFIRERED_MAX_QUEUE=3\n");
    load_good(&c);
    assert_int_equal(c.port, 8100);
    assert_null(c.model_id);
    check_warnings(&c, expected, 4);
    config_free(&c);

    static const char *const one[] = {".env: passed over what is no setting of firered (line 1)"};
    write_env("APP=1\n");
    load_good(&c);
    check_warnings(&c, one, 1);
    config_free(&c);

    static const char *const many[] = {
        ".env: passed over what is no setting of firered (lines 1, 2, 3, 4, 5, 6, 7, 8, ...)"};
    write_env("a\nb\nc\nd\ne\nf\ng\nh\ni\n");
    load_good(&c);
    check_warnings(&c, many, 1);
    config_free(&c);

    static const char *const folder[] = {".env is a folder: no settings are read from it"};
    assert_int_equal(unlink(".env"), 0);
    assert_int_equal(mkdir(".env", 0700), 0);
    load_good(&c);
    check_warnings(&c, folder, 1);
    config_free(&c);
    assert_int_equal(rmdir(".env"), 0);
}

/* In the environment only what nearly is ours is spoken of. */
static void test_misspelt_names(void **state) {
    static const struct {
        const char *name, *meant; /* NULL: nothing is said */
    } names[] = {
        {"MODLE_ID", "MODEL_ID"},
        {"MODELID", "MODEL_ID"},
        {"model_id", "MODEL_ID"},
        {"Port", "PORT"},
        {"PROT", "PORT"},
        {"HOSTS", "HOST"},
        {"LOG_LEVLE", "LOG_LEVEL"},
        {"FIRERED_PORT", "PORT"},
        {"HF_HUB_CAHCE", "HF_HUB_CACHE"},
        {"HOMES", NULL},
        {"PATHS", NULL},
        {"HOSTNAME", NULL},
        {"XDG_DATA_HOME", NULL},
        {"FIRERED_KERNELS", NULL},
        {"DEVICE_ID_OF_ALL", NULL},
        {"HF_HUB_OFFLINE", NULL},
        {"HF_HUB_ETAG_TIMEOUT", NULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct config c;
        char sentence[128];
        const char *const expected[] = {sentence};
        set_up(state);
        setenv(names[i].name, "1", 1);
        load_good(&c);
        snprintf(sentence, sizeof sentence,
                 "%s (from the environment) is no setting: did you mean %s?", names[i].name,
                 names[i].meant ? names[i].meant : "");
        check_warnings(&c, expected, names[i].meant ? 1 : 0);
        config_free(&c);
        unsetenv(names[i].name);
    }
    struct config c;
    struct error err;
    struct args none = {0};
    setenv("PROT", "1", 1); /* edit has no port */
    assert_int_equal(config_read(&c, OPTION_EDIT, &none, &err), STATUS_OK);
    assert_int_equal(c.warning_count, 0);
    config_free(&c);
    unsetenv("PROT");
}

/* Blanks around a value, the letters of a word, an address's brackets, the home directory. */
static void test_values_are_tidied(void **state) {
    (void)state;
    struct config c;
    struct error err;
    char *home = strdup(getenv("HOME") ? getenv("HOME") : "/");
    setenv("HOME", "/home/somebody", 1);
    assert_int_equal(LOAD(&c, &err, "--port", " 80\t", "--log-level=INFO", "--device", "Cpu ",
                          "--memory-limit", "AUTO", "--host", "[::1]", "--model", " ~/m ",
                          "--hf-home=~", "--api-key", " k ", "--hf-hub-offline", " 1 ",
                          "--negative-prompt", " x ", "--lora", "~/a b.safetensors:0.5",
                          "--hf-token-path", "~other/t"),
                     STATUS_OK);
    assert_int_equal(c.port, 80);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_string_equal(c.device, "cpu");
    assert_true(c.memory_limit == FIRERED_MEMORY_AUTO);
    assert_string_equal(c.host, "::1");
    assert_string_equal(c.model_id, "/home/somebody/m");
    assert_string_equal(c.hf_home, "/home/somebody");
    assert_string_equal(c.api_key, "k");
    assert_string_equal(c.hf_hub_offline, "1");
    assert_string_equal(c.negative_prompt, " x ");
    assert_string_equal(c.loras[0].path, "/home/somebody/a b.safetensors");
    assert_true(c.loras[0].scale == 0.5);
    assert_string_equal(c.hf_token_path, "~other/t");
    assert_false(c.host_from_environment);
    config_free(&c);

    setenv("PORT", " \t", 1); /* blanks alone are an empty value */
    setenv("HOST", "localhost", 1);
    unsetenv("HOME");
    assert_int_equal(LOAD(&c, &err, "--model", "~/m"), STATUS_OK);
    assert_int_equal(c.port, 7000);
    assert_string_equal(c.model_id, "~/m");
    assert_true(c.host_from_environment);
    config_free(&c);
    setenv("HOME", home, 1);
    free(home);
}

static void test_together(void **state) {
    (void)state;
    struct config c;
    struct error err;
    assert_int_equal(LOAD(&c, &err, "--default-steps", "50", "--max-steps", "40"), STATUS_INVALID);
    assert_string_equal(err.text, "DEFAULT_STEPS=50: must be at most MAX_STEPS, which is 40");
}

static void test_loras(void **state) {
    (void)state;
    struct config c;
    struct error err;
    setenv("LORA", "a.safetensors,b.safetensors:0.5,C:/d.safetensors:-1,e:f", 1);
    load_good(&c);
    assert_int_equal(c.lora_count, 4);
    assert_string_equal(c.loras[0].path, "a.safetensors");
    assert_true(c.loras[0].scale == 1.0);
    assert_string_equal(c.loras[1].path, "b.safetensors");
    assert_true(c.loras[1].scale == 0.5);
    assert_string_equal(c.loras[2].path, "C:/d.safetensors");
    assert_true(c.loras[2].scale == -1.0);
    assert_string_equal(c.loras[3].path, "e:f");
    assert_true(c.loras[3].scale == 1.0);
    config_free(&c);
    assert_int_equal(LOAD(&c, &err, "--lora", "x:2", "--lora=y"), STATUS_OK);
    assert_int_equal(c.lora_count, 2);
    assert_string_equal(c.loras[0].path, "x");
    assert_string_equal(c.loras[1].path, "y");
    config_free(&c);
}

static void check_loras(const char *text, const struct firered_lora *expected, size_t count) {
    struct config c;
    setenv("LORA", text, 1);
    load_good(&c);
    for (size_t i = 0; i < count && i < c.lora_count; i++) {
        assert_string_equal(c.loras[i].path, expected[i].path);
        assert_true(c.loras[i].scale == expected[i].scale);
    }
    assert_int_equal(c.lora_count, count);
    config_free(&c);
}

/* A text that is a file as it stands is that file; else commas separate, and \\, is one of a name. */
static void test_names_of_loras(void **state) {
    (void)state;
#define LORAS(text, ...)                                                                           \
    check_loras(text, (const struct firered_lora[]){__VA_ARGS__},                                  \
                sizeof((const struct firered_lora[]){__VA_ARGS__}) / sizeof(struct firered_lora))
    LORAS("my lora, v1:2.safetensors", {"my lora", 1}, {"v1:2.safetensors", 1});
    LORAS(" a:0.5 ,  b c : 2,d\t", {"a", 0.5}, {"b c : 2", 1}, {"d", 1});
    LORAS("my lora\\, v1:2,c:\\d", {"my lora, v1", 2}, {"c:\\d", 1});
    write_text("my lora, v1:2.safetensors", "");
    write_text("v1:2", "");
    LORAS("my lora, v1:2.safetensors", {"my lora, v1:2.safetensors", 1});
    LORAS("my lora, v1:2.safetensors:0.5", {"my lora, v1:2.safetensors", 0.5});
    LORAS("v1:2", {"v1:2", 1});
    LORAS("v1:2:3, b", {"v1:2", 3}, {"b", 1});
    LORAS("my lora\\, v1:2.safetensors:-1, v1:2", {"my lora, v1:2.safetensors", -1}, {"v1:2", 1});
    unlink("my lora, v1:2.safetensors");
    unlink("v1:2");
#undef LORAS
    struct config c;
    struct error err;
    assert_int_equal(LOAD(&c, &err, "--lora", "a,b", "--lora", "", "--lora=c"), STATUS_OK);
    assert_int_equal(c.lora_count, 3);
    config_free(&c);
}

static void test_log_format(void **state) {
    (void)state;
    struct config c;
    setenv("LOG_FORMAT", "json", 1);
    load_good(&c);
    assert_int_equal(c.log_format, LOG_FORMAT_JSON);
    config_free(&c);
    setenv("LOG_FORMAT", "text", 1);
    load_good(&c);
    assert_int_equal(c.log_format, LOG_FORMAT_TEXT);
    config_free(&c);
}

static void test_flags(void **state) {
    (void)state;
    struct config c;
    struct error err;
    assert_int_equal(LOAD(&c, &err, "--model", "demo"), STATUS_OK);
    assert_string_equal(c.model_id, "demo");
    config_free(&c);
    assert_int_equal(LOAD(&c, &err, "--prot", "1"), STATUS_INVALID);
    assert_string_equal(
        err.text, "unknown flag --prot: did you mean --port? (firered serve --help lists all)");
    assert_int_equal(LOAD(&c, &err, "--frobnicate"), STATUS_INVALID);
    assert_string_equal(err.text, "unknown flag --frobnicate: firered serve --help lists all");
    assert_int_equal(LOAD(&c, &err, "--port"), STATUS_INVALID);
    assert_string_equal(err.text, "--port needs a value: N");
    assert_int_equal(LOAD(&c, &err, "--api-key", "--port"), STATUS_INVALID);
    assert_string_equal(
        err.text,
        "--api-key needs a value: KEY (write --api-key=--port if that is meant to be it)");
    assert_int_equal(LOAD(&c, &err, "7000"), STATUS_INVALID);
    assert_string_equal(err.text,
                        "unexpected argument '7000': firered serve takes flags only (see --help)");
    assert_int_equal(LOAD(&c, &err, "-p"), STATUS_INVALID);
    assert_int_equal(LOAD(&c, &err, "--"), STATUS_INVALID);
    assert_int_equal(LOAD(&c, &err, "--=x"), STATUS_INVALID);
}

/* A command reads only its own options: a bad PORT does not stop `firered edit`. */
static void test_other_commands(void **state) {
    (void)state;
    struct config c;
    struct error err;
    struct args none = {0};
    setenv("PORT", "bad", 1);
    write_env("API_KEY=somebody-elses\nDTYPE=bad\nMODLE_ID=x\n"); /* and no .env, but serve */
    assert_int_equal(config_read(&c, OPTION_EDIT, &none, &err), STATUS_OK);
    assert_int_equal(c.port, 7000);
    assert_null(c.api_key);
    assert_int_equal(c.warning_count, 0);
    config_free(&c);
    setenv("DEVICE", "bad", 1);
    assert_int_equal(config_read(&c, OPTION_EDIT, &none, &err), STATUS_INVALID);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_good_values),
        TEST(test_every_option_is_tested),
        TEST(test_bad_values),
        TEST(test_precedence),
        TEST(test_sources_are_named),
        TEST(test_together),
        TEST(test_loras),
        TEST(test_log_format),
        TEST(test_flags),
        TEST(test_other_commands),
        TEST(test_foreign_file),
        TEST(test_misspelt_names),
        TEST(test_values_are_tidied),
        TEST(test_names_of_loras),
    };
#undef TEST
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
