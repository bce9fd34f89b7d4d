/* What people read about the settings is what the table says. */
#include "support/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "config/documents.h"
#include "config/loading.h"
#include "config/options.h"

#define TABLE "src/config/options.c", "test_option_docs"

static void test_env_example(void **state) {
    (void)state;
    const struct document d = {SOURCE_ROOT "/.env.example", TABLE};
    struct buffer old = {0}, new = {0};
    document_read(&d, &old);
    assert_int_equal(options_write_env(&new), STATUS_OK);
    document_check(&d, old.data ? old.data : "", new.data);
    buffer_free(&old);

    /* Copied as it is, it changes nothing; with every line switched on, it is valid. */
    struct config c;
    write_env(new.data);
    load_good(&c);
    assert_null(c.model_id);
    config_free(&c);
    for (char *p = new.data; (p = strstr(p, "\n#"));) {
        p++;
        if (p[1] != ' ') *p = ' ';
    }
    write_env(new.data);
    load_good(&c);
    assert_string_equal(c.model_id, "FireRedTeam/FireRed-Image-Edit-1.0");
    assert_int_equal(c.default_steps, 28);
    config_free(&c);
    buffer_free(&new);
}

static void test_readme(void **state) {
    (void)state;
    document_check_between(&(struct document){SOURCE_ROOT "/README.md", TABLE},
                           "<!-- settings: begin -->\n", "<!-- settings: end -->",
                           options_write_readme);
}

static void test_manual(void **state) {
    (void)state;
    document_check_between(&(struct document){SOURCE_ROOT "/docs/man/firered.1", TABLE},
                           ".\\\" settings: begin\n", ".\\\" settings: end", options_write_man);
}

static void test_help(void **state) {
    (void)state;
    struct buffer help = {0};
    assert_int_equal(options_write_help(&help, OPTION_SERVE), STATUS_OK);
    for (size_t i = 0; i < option_count; i++) {
        char flag[OPTION_FLAG_SIZE], wanted[OPTION_FLAG_SIZE + 4];
        option_flag(&option_table[i], flag);
        snprintf(wanted, sizeof wanted, "--%s ", flag);
        assert_non_null(strstr(help.data, wanted));
        assert_non_null(strstr(help.data, option_table[i].variable));
    }
    for (const char *line = help.data; *line;) {
        size_t length = strcspn(line, "\n");
        assert_true(length <= 80);
        line += length + 1;
    }
    buffer_free(&help);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_env_example),
        TEST(test_readme),
        TEST(test_manual),
        TEST(test_help),
    };
#undef TEST
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
