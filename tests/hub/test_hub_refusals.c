/*
 * Who may, and how one gets there: tokens, gates, revisions, renames, proxies, certificates, no
 * network.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <sys/stat.h>
#include <unistd.h>

/* A repository with one file, and what stub.json says of it. */
static void make_repository(const char *name, const char *branch, const char *info) {
    char path[4096];
    snprintf(path, sizeof path, "%s/example/%s", scene.root, name);
    (void)mkdir(path, 0700);
    if (branch) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/%s", branch);
        (void)mkdir(path, 0700);
        strcat(path, "/config.json");
        write_text(path, branch);
    }
    snprintf(path, sizeof path, "%s/example/%s/stub.json", scene.root, name);
    if (info) write_text(path, info);
}

static void use_token(const char *token) {
    scene.options.token = token;
    scene.options.token_source = "HF_TOKEN";
}

static void a_gated_model_says_where_its_terms_are(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'tokens': {'hf_stub': 'tester', 'hf_reader': 'reader'}}");
    make_repository("gated", "main", "{\"gated\": \"auto\", \"readers\": [\"hf_reader\"]}");
    scene.request.all = true;
    char terms[200];
    snprintf(terms, sizeof terms, "accept its terms at %s/example/gated", scene.stub.hub);
    pull_badly("example/gated", terms);
    assert_non_null(strstr(scene.err.text, "set HF_TOKEN"));
    use_token("hf_stub");
    pull_badly("example/gated", terms);
    assert_non_null(strstr(scene.err.text, "the token of HF_TOKEN does not open it"));
    use_token("hf_reader");
    pull_well("example/gated");
}

static void what_is_not_there_and_what_is_private_look_alike(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'tokens': {'hf_stub': 'tester', 'hf_reader': 'reader'}}");
    make_repository("private", "main", "{\"private\": true, \"readers\": [\"hf_reader\"]}");
    scene.request.all = true;
    pull_badly("example/nothing", "no model example/nothing at ");
    pull_badly("example/private", "or it is private (no token was sent: set HF_TOKEN)");
    use_token("hf_stub");
    pull_badly("example/private", "or it is private (the token of HF_TOKEN does not open it)");
    use_token("hf_reader");
    pull_well("example/private");
    make_repository("disabled", "main", "{\"disabled\": true}");
    pull_badly("example/disabled", "status 403: Access to this resource is disabled.");
}

static void a_bad_token_is_named(void **state) {
    (void)state;
    use_token("hf_wrong");
    pull_badly(TINY, "the hub does not take the token of HF_TOKEN");
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 1);
    hub_stub_rules(&scene.stub, "[{'kind': 'revision', 'fault': 'status', 'code': 401, 'headers': "
                                "{'X-Error-Message': 'User Access Token \\\"x\\\" is expired'}}]");
    use_token("hf_stub");
    pull_badly(TINY, "the token of HF_TOKEN, it has expired: make a new one at ");
}

static void a_token_stays_at_the_hub(void **state) {
    (void)state;
    use_token("hf_stub");
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, "server", "hub", "auth", "false", NULL), 0);
    assert_true(hub_stub_count(&scene.stub, "server", "cdn", NULL) >= 3);
    assert_int_equal(hub_stub_count(&scene.stub, "server", "cdn", "auth", "true", NULL), 0);
}

static void a_revision_is_any_name_of_a_commit(void **state) {
    (void)state;
    make_repository("branches", "main", "{\"tags\": {\"v1.0\": \"main\"}}");
    make_repository("branches", "refs%2Fpr%2F1", NULL);
    scene.request.all = true;
    assert_int_equal(pull_run("example/branches@v1.0"), STATUS_OK);
    assert_int_equal(pull_run("example/branches@refs/pr/1"), STATUS_OK);
    char ref[64] = "";
    FILE *f = fopen(in_repo("example/branches", "refs/refs/pr/1"), "r");
    assert_non_null(f);
    assert_non_null(fgets(ref, sizeof ref, f));
    fclose(f);
    assert_string_equal(ref, scene.result.commit);
    pull_badly("example/branches@v9", "example/branches has no revision \"v9\"");
    pull_badly("example/branches@0000000000000000000000000000000000000000", "has no revision");
}

static void a_renamed_model_stays_under_its_old_name(void **state) {
    (void)state;
    make_repository("old", NULL, "{\"renamed\": \"example/tiny\"}");
    use_token("hf_stub");
    assert_int_equal(pull_run("example/old"), STATUS_OK);
    struct stat st;
    assert_int_equal(stat(in_repo("example/old", "refs/main"), &st), 0);
    assert_int_not_equal(stat(in_repo(TINY, ""), &st), 0);
    assert_int_equal(hub_stub_count(&scene.stub, "server", "hub", "auth", "false", NULL), 0);
}

static void a_folder_that_is_no_model_is_told(void **state) {
    (void)state;
    make_repository("empty", "main", NULL);
    pull_badly("example/empty", "has no model_index.json: that is no model in diffusers layout");
}

static void offline_opens_no_socket(void **state) {
    (void)state;
    scene.options.offline = true;
    scene.options.offline_why = "TRANSFORMERS_OFFLINE";
    pull_badly(TINY, "TRANSFORMERS_OFFLINE says that there is no network");
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    scene.options.offline = false;
    pull_well(TINY);
    hub_stub_forget(&scene.stub);
    scene.options.offline = true;
    assert_int_equal(pull_run(TINY), STATUS_OK);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
}

static void a_mirror_that_is_none_is_named(void **state) {
    (void)state;
    hub_stub_rules(&scene.stub,
                   "[{'kind': 'revision', 'fault': 'redirect', 'to': 'http://127.0.0.2:9/'}]");
    pull_badly(TINY, "sends on to http://127.0.0.2:9/");
    assert_non_null(strstr(scene.err.text, scene.stub.hub));
    scene.options.endpoint = "http://127.0.0.1:9";
    pull_badly(TINY, "no answer from http://127.0.0.1:9/api/models/example/tiny/revision/main");
    scene.options.endpoint = "http://no.such.host.invalid";
    pull_badly(TINY, "no answer from http://no.such.host.invalid");
}

static void proxies(void **state) {
    (void)state;
    struct hub_stub one = scene.stub;
    static const char *const words[] = {"--proxy-port", "0", "--proxy-auth", "me:secret", NULL};
    hub_stub_start(&scene.stub, scene.root, words);
    char good[200];
    snprintf(good, sizeof good, "http://me:secret@%.60s", scene.stub.proxy + sizeof "http://" - 1);
    scene.options.endpoint = scene.stub.hub;
    scene.options.route.http_proxy = good;
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, "server", "proxy", NULL),
                     hub_stub_count(&scene.stub, "server", "hub", NULL) +
                         hub_stub_count(&scene.stub, "server", "cdn", NULL));
    hub_stub_forget(&scene.stub);
    scene.options.route.no_proxy = "127.0.0.1";
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, "server", "proxy", NULL), 0);
    scene.options.route.no_proxy = NULL;
    scene.options.route.http_proxy = scene.stub.proxy;
    pull_badly(TINY, "407");
    scene.options.route.http_proxy = NULL;
    scene.options.route.all_proxy = good;
    pull_well(TINY);
    hub_stub_stop(&scene.stub);
    scene.stub = one;
}

static void certificates(void **state) {
    (void)state;
    char cert[4096], key[4096], command[9000];
    snprintf(cert, sizeof cert, "%s/cert.pem", scene.root);
    snprintf(key, sizeof key, "%s/key.pem", scene.root);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext "
             "subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
             key, cert);
    if (system(command) != 0) skip();
    struct hub_stub one = scene.stub;
    const char *both[] = {"--tls", cert, key, "--cdn-tls", cert, key, NULL};
    hub_stub_start(&scene.stub, scene.root, both);
    scene.options.endpoint = scene.stub.hub;
    pull_badly(TINY, "is this machine's clock right, and does SSL_CERT_FILE name");
    scene.options.route.ca_file = cert;
    pull_well(TINY);
    scene.options.route.ca_file = "/nonexistent.pem";
    pull_badly(TINY, "/nonexistent.pem");
    hub_stub_stop(&scene.stub);

    const char *tunnel[] = {"--tls", cert,           key, "--cdn-tls",    cert,
                            key,     "--proxy-port", "0", "--proxy-auth", "me:secret",
                            NULL};
    char good[200];
    hub_stub_start(&scene.stub, scene.root, tunnel);
    snprintf(good, sizeof good, "http://me:secret@%.60s", scene.stub.proxy + sizeof "http://" - 1);
    scene.options.endpoint = scene.stub.hub;
    scene.options.route.ca_file = cert;
    scene.options.route.https_proxy = scene.stub.proxy;
    pull_badly(TINY, "407");
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "connect", NULL), 1);
    scene.options.route.https_proxy = good;
    scene.request.force = true;
    pull_well(TINY);
    scene.options.route.https_proxy = NULL;
    hub_stub_stop(&scene.stub);

    const char *hub_only[] = {"--tls", cert, key, NULL};
    hub_stub_start(&scene.stub, scene.root, hub_only);
    scene.options.endpoint = scene.stub.hub;
    scene.options.route.ca_file = cert;
    scene.request.force = true;
    pull_badly(TINY, "redirects from https to http, which is not followed");
    hub_stub_stop(&scene.stub);
    scene.stub = one;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_gated_model_says_where_its_terms_are),
        PULL_TEST(what_is_not_there_and_what_is_private_look_alike),
        PULL_TEST(a_bad_token_is_named),
        PULL_TEST(a_token_stays_at_the_hub),
        PULL_TEST(a_revision_is_any_name_of_a_commit),
        PULL_TEST(a_renamed_model_stays_under_its_old_name),
        PULL_TEST(a_folder_that_is_no_model_is_told),
        PULL_TEST(offline_opens_no_socket),
        PULL_TEST(a_mirror_that_is_none_is_named),
        PULL_TEST(proxies),
        PULL_TEST(certificates),
    };
    return cmocka_run_group_tests(tests, pull_scene_enter, pull_scene_leave);
}
