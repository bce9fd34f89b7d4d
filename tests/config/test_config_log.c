/* What the log says of the settings: all of them, and no secret. */
#include "support/unit_test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/loading.h"
#include "config/options.h"

/* The line that config_log writes, as an object. */
static json_t *logged(const struct config *c, char text[8192]) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    config_log(c, &(struct log){.min_level = LOG_INFO, .json = true, .fd = ends[1]});
    close(ends[1]);
    ssize_t n = read(ends[0], text, 8191);
    close(ends[0]);
    assert_true(n > 0);
    text[n] = '\0';
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    return line;
}

static const char *logged_text(const json_t *line, const char *key) {
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "(no string)";
}

static void test_every_setting_is_logged(void **state) {
    (void)state;
    struct config c;
    char text[8192], key[OPTION_FLAG_SIZE];
    setenv("LOG_FORMAT", "text", 1);
    setenv("RESULT_MAX_MB", "17", 1);
    setenv("DTYPE", "int8", 1);
    setenv("MEMORY_LIMIT", "2K", 1);
    setenv("LORA", "a,b", 1);
    load_good(&c);
    json_t *line = logged(&c, text);
    for (size_t i = 0; i < option_count; i++)
        if (!json_object_get(line, option_key(&option_table[i], key))) fail_msg("no %s", key);
    assert_int_equal(json_object_size(line), option_count + 3); /* time, level, event */
    assert_string_equal(logged_text(line, "event"), "configuration");
    assert_string_equal(logged_text(line, "log_format"), "text");
    assert_string_equal(logged_text(line, "model_id"), "(unset)");
    assert_string_equal(logged_text(line, "dtype"), "int8");
    assert_string_equal(logged_text(line, "memory_limit"), "2048");
    assert_string_equal(logged_text(line, "negative_prompt"), " ");
    assert_int_equal(json_integer_value(json_object_get(line, "result_max_mb")), 17);
    assert_int_equal(json_integer_value(json_object_get(line, "max_image_pixels")), 64000000);
    assert_int_equal(json_integer_value(json_object_get(line, "lora")), 2);
    assert_true(json_number_value(json_object_get(line, "result_ttl_seconds")) == 600);
    json_decref(line);
    config_free(&c);
}

static void test_secrets_are_not_logged(void **state) {
    (void)state;
    struct config c;
    char text[8192], key[OPTION_FLAG_SIZE];
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].kind == OPTION_SECRET) setenv(option_table[i].variable, "sesame", 1);
    setenv("HF_ENDPOINT", "https://me:sesame@mirror.example", 1);
    load_good(&c);
    assert_string_equal(c.api_key, "sesame");
    assert_string_equal(c.hf_token, "sesame");
    json_t *line = logged(&c, text);
    assert_null(strstr(text, "sesame"));
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].kind == OPTION_SECRET)
            assert_string_equal(logged_text(line, option_key(&option_table[i], key)), "set");
    assert_string_equal(logged_text(line, "hf_endpoint"), "set");
    json_decref(line);
    config_free(&c);
    set_up(NULL);
    load_good(&c);
    line = logged(&c, text);
    assert_string_equal(logged_text(line, "api_key"), "none");
    json_decref(line);
    config_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_secrets_are_not_logged, set_up),
        cmocka_unit_test_setup(test_every_setting_is_logged, set_up),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
