/*
 * The hub's options, as variables say them.
 */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/environment.h"
#include "support/files.h"

struct variable {
    const char *name, *value;
};

/* Looks a name up in a list that a NULL name ends. */
static const char *look_up(void *arg, const char *name) {
    for (const struct variable *v = arg; v->name; v++)
        if (strcmp(v->name, name) == 0) return v->value;
    return NULL;
}

enum { MOST = 6 };

static enum status read_all(struct hub_environment *e, struct hub_options *o,
                            const struct variable *list, struct error *err) {
    const struct hub_variables variables = {look_up, (void *)list};
    return hub_environment_read(e, o, &variables, err);
}

static void the_cache_is_where_the_environment_says(void **state) {
    (void)state;
    static const struct {
        struct variable list[MOST];
        const char *cache;
    } cases[] = {
        {{{"HF_HUB_CACHE", "/a"}, {"HUGGINGFACE_HUB_CACHE", "/b"}, {"HF_HOME", "/c"}}, "/a"},
        {{{"HF_HUB_CACHE", ""}, {"HUGGINGFACE_HUB_CACHE", "/b"}, {"HF_HOME", "/c"}}, "/b"},
        {{{"HF_HOME", "/c"}, {"XDG_CACHE_HOME", "/d"}}, "/c/hub"},
        {{{"XDG_CACHE_HOME", "/d"}, {"HOME", "/e"}}, "/d/huggingface/hub"},
        {{{"HOME", "/e"}}, "/e/.cache/huggingface/hub"},
        {{{"HF_HUB_CACHE", "~/x"}, {"HOME", "/e"}}, "/e/x"},
        {{{"HF_HUB_CACHE", "~"}, {"HOME", "/e"}}, "/e"},
        {{{"HF_HUB_CACHE", "~x/y"}, {"HOME", "/e"}}, "~x/y"},
        {{{"HF_HOME", "$DISK/${NAME}z/$NO"}, {"DISK", "/disk"}, {"NAME", "n"}}, "/disk/nz/$NO/hub"},
        {{{"HF_HOME", "a$"}}, "a$/hub"},
        {{{NULL, NULL}}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hub_environment e;
        struct hub_options o;
        struct error err = {""};
        enum status s = read_all(&e, &o, cases[i].list, &err);
        if (cases[i].cache) {
            assert_int_equal(s, STATUS_OK);
            assert_string_equal(o.cache, cases[i].cache);
        } else {
            assert_int_equal(s, STATUS_OK);
            assert_null(o.cache);
        }
        hub_environment_free(&e);
    }
}

static void the_token_comes_from_the_first_place_that_has_one(void **state) {
    (void)state;
    char *home = temporary_folder(), other[4096];
    write_text(in_folder(home, "token"), "hf_file\n");
    snprintf(other, sizeof other, "%s", in_folder(home, "other"));
    write_text(other, " hf_path \n");
    const struct {
        struct variable list[MOST];
        const char *token;
    } cases[] = {
        {{{"HF_HOME", home}}, "hf_file"},
        {{{"HF_HOME", home}, {"HF_TOKEN_PATH", other}}, "hf_path"},
        {{{"HF_HOME", home}, {"HUGGING_FACE_HUB_TOKEN", "hf_old"}}, "hf_old"},
        {{{"HF_HOME", home}, {"HUGGING_FACE_HUB_TOKEN", "hf_old"}, {"HF_TOKEN", "hf_env"}},
         "hf_env"},
        {{{"HF_HOME", home}, {"HF_TOKEN", "hf_env"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}, NULL},
        {{{"HF_HOME", home}, {"HF_TOKEN", "hf_env"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "0"}},
         "hf_env"},
        {{{"HF_HUB_CACHE", "/c"}}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hub_environment e;
        struct hub_options o;
        struct error err = {""};
        assert_int_equal(read_all(&e, &o, cases[i].list, &err), STATUS_OK);
        if (cases[i].token)
            assert_string_equal(o.token, cases[i].token);
        else
            assert_null(o.token);
        hub_environment_free(&e);
    }
    remove_folder(home);
}

static void offline_is_what_the_hubs_tools_call_so(void **state) {
    (void)state;
    static const struct {
        struct variable list[MOST];
        bool offline;
    } cases[] = {
        {{{"HF_HUB_OFFLINE", "1"}}, true},
        {{{"HF_HUB_OFFLINE", "yes"}}, true},
        {{{"HF_HUB_OFFLINE", "On"}}, true},
        {{{"HF_HUB_OFFLINE", "true"}}, true},
        {{{"HF_HUB_OFFLINE", "2"}}, false},
        {{{"TRANSFORMERS_OFFLINE", "1"}}, true},
        {{{"HF_HUB_OFFLINE", "0"}, {"TRANSFORMERS_OFFLINE", "1"}}, false},
        {{{"HF_HUB_OFFLINE", ""}, {"TRANSFORMERS_OFFLINE", "1"}}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct variable list[MOST] = {cases[i].list[0], cases[i].list[1], {"HOME", "/h"}};
        if (!list[1].name) list[1] = (struct variable){"HOME", "/h"};
        struct hub_environment e;
        struct hub_options o;
        assert_int_equal(read_all(&e, &o, list, NULL), STATUS_OK);
        assert_int_equal(o.offline, cases[i].offline);
        hub_environment_free(&e);
    }
}

static void the_rest_is_checked(void **state) {
    (void)state;
    static const struct {
        struct variable one;
        const char *says;
    } cases[] = {
        {{"HF_ENDPOINT", "ftp://x"}, "HF_ENDPOINT is no URL"},
        {{"HF_ENDPOINT", "hub"}, "HF_ENDPOINT is no URL"},
        {{"HF_HUB_DOWNLOAD_TIMEOUT", "soon"}, "seconds from 1 to 86400"},
        {{"HF_HUB_DOWNLOAD_TIMEOUT", "0"}, "seconds from 1 to 86400"},
        {{"HF_TOKEN", "hf_\x01x"}, "characters that no token has"},
    };
    struct hub_environment e;
    struct hub_options o;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct variable list[] = {cases[i].one, {"HOME", "/h"}, {NULL, NULL}};
        struct error err = {""};
        assert_int_equal(read_all(&e, &o, list, &err), STATUS_INVALID);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s", err.text);
        hub_environment_free(&e);
    }
    const struct variable good[] = {{"HF_ENDPOINT", "https://mirror.example/hub//"},
                                    {"HF_HUB_DOWNLOAD_TIMEOUT", "2.5"},
                                    {"HOME", "/h"},
                                    {NULL, NULL}};
    assert_int_equal(read_all(&e, &o, good, NULL), STATUS_OK);
    assert_string_equal(o.endpoint, "https://mirror.example/hub");
    assert_true(o.seconds == 2.5 && !o.no_links && o.connections == 8);
    hub_environment_free(&e);
}

static void proxies_and_certificates_have_their_names(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy",   "HTTP_PROXY",         "https_proxy",
                                        "HTTPS_PROXY",  "all_proxy",          "ALL_PROXY",
                                        "no_proxy",     "NO_PROXY",           "SSL_CERT_FILE",
                                        "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
    struct http_route r;
    http_route_read(&r);
    assert_true(!r.http_proxy && !r.https_proxy && !r.all_proxy && !r.no_proxy && !r.ca_file &&
                !r.ca_folder);
    setenv("HTTPS_PROXY", "http://large", 1);
    setenv("NO_PROXY", "x", 1);
    setenv("no_proxy", "", 1);
    setenv("CURL_CA_BUNDLE", "/c.pem", 1);
    http_route_read(&r);
    assert_string_equal(r.https_proxy, "http://large");
    assert_null(r.no_proxy); /* the small name wins, also when it is empty */
    assert_string_equal(r.ca_file, "/c.pem");
    setenv("https_proxy", "http://small", 1);
    setenv("REQUESTS_CA_BUNDLE", "/tmp", 1);
    http_route_read(&r);
    assert_string_equal(r.https_proxy, "http://small");
    assert_string_equal(r.ca_folder, "/tmp");
    assert_null(r.ca_file);
    setenv("SSL_CERT_FILE", "/s.pem", 1);
    http_route_read(&r);
    assert_string_equal(r.ca_file, "/s.pem");
    assert_null(r.ca_folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_where_the_environment_says),
        cmocka_unit_test(the_token_comes_from_the_first_place_that_has_one),
        cmocka_unit_test(offline_is_what_the_hubs_tools_call_so),
        cmocka_unit_test(the_rest_is_checked),
        cmocka_unit_test(proxies_and_certificates_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
