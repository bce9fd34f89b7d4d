/*
 * The commands as users run them, against the stand-in: pull, list, rm, verify, edit --pull, serve.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/child.h"

#define PICTURE TEST_DATA "/tiny-edit/one-image-cfg/input0.png"

static struct child child;
static char log_text[1 << 16];

static int reset(void **state) {
    scene_reset(state);
    pull_scene_reset(state);
    setenv("HF_HUB_CACHE", scene.cache, 1);
    setenv("HF_ENDPOINT", scene.stub.hub, 1);
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    return 0;
}

static int enter(void **state) {
    pull_scene_enter(state);
    return scene_enter(state);
}

static int leave(void **state) {
    scene_leave(state);
    return pull_scene_leave(state);
}

/* Runs the program with these words, NULL ends them, and checks its status. */
static void run(int status, ...) {
    const char *words[24];
    va_list args;
    int n = 0;
    va_start(args, status);
    while (n < 23 && (words[n] = va_arg(args, const char *))) n++;
    words[n] = NULL;
    va_end(args);
    child_start(&child, FIRERED_PROGRAM, words);
    child_wait(&child);
    if (child.status != status) fail_msg("status %d: %s%s", child.status, child.out, child.err);
}

static void assert_says(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);
}

static void a_model_is_pulled_listed_checked_and_removed(void **state) {
    (void)state;
    run(0, "pull", TINY, "--dry-run", NULL);
    assert_says(child.out, "18 files, 12.5 MB, of which 12.5 MB are to be fetched");
    run(0, "pull", TINY, NULL);
    assert_says(child.out, "/models--example--tiny/snapshots/");
    run(0, "list", NULL);
    assert_says(child.out, "example/tiny@main");
    assert_says(child.out, "12.5 MB");
    assert_says(child.out, "whole");
    run(0, "list", "--json", NULL);
    json_t *list = json_loads(child.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(list, "models")), 1);
    json_decref(list);
    run(0, "verify", TINY, NULL);
    assert_says(child.out, "18 files, 12.5 MB: 0 wrong");
    run(0, "info", "--model", TINY, NULL);
    run(0, "edit", "--model", TINY, "--image", PICTURE, "--prompt", "x", "--steps", "1", "--size",
        "64x64", "--output", "out.png", NULL);
    run(0, "rm", TINY, NULL);
    assert_says(child.out, "freed");
    run(0, "list", NULL);
    assert_says(child.out, "no models in ");
    run(1, "rm", TINY, NULL);
}

static void events_are_json_objects_a_line_each(void **state) {
    (void)state;
    run(0, "pull", TINY, "--json", NULL);
    int plans = 0, files = 0, ends = 0;
    for (char *line = strtok(child.out, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *event = json_loads(line, 0, NULL);
        assert_non_null(event);
        const char *name = json_string_value(json_object_get(event, "event"));
        plans += strcmp(name, "plan") == 0;
        files += strcmp(name, "file") == 0;
        ends += strcmp(name, "done") == 0;
        json_decref(event);
    }
    assert_int_equal(plans, 1);
    assert_int_equal(files, 17); /* two of the 18 are the same */
    assert_int_equal(ends, 1);
    assert_string_equal(child.err, "");
    run(1, "pull", "example/nothing", "--json", NULL);
    assert_says(child.out, "\"event\": \"error\"");
    run(0, "pull", TINY, "--quiet", NULL);
    assert_string_equal(child.err, "");
}

static void a_terminal_shows_one_line(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'bandwidth': 4000000}");
    static const char *const words[] = {"pull", TINY, NULL};
    child_run_on_terminal(&child, FIRERED_PROGRAM, words);
    assert_int_equal(child.status, 0);
    assert_says(child.out, " of 12.5 MB  ");
    assert_says(child.out, " MB/s  ");
    assert_says(child.out, " s left");
}

static void wrong_words_are_status_2(void **state) {
    (void)state;
    run(2, "pull", NULL);
    run(2, "pull", "tiny", NULL);
    assert_says(child.err, "\"tiny\" is no id of the form ORG/NAME[@REV]");
    run(2, "pull", TINY, SHARDS, NULL);
    run(2, "pull", TINY, "--connections", "33", NULL);
    run(2, "pull", TINY, "--connections", "0", NULL);
    run(2, "pull", TINY, "--limit-rate", "fast", NULL);
    run(2, "rm", NULL);
    run(2, "verify", "x", NULL);
    run(2, "pull", TINY, "--hf-endpoint", "ftp://x", NULL);
    run(2, "pull", TINY, "--hf-hub-download-timeout", "never", NULL);
}

static void nothing_of_the_hubs_reaches_the_terminal_raw(void **state) {
    (void)state;
    hub_stub_rules(&scene.stub, "[{'kind': 'revision', 'fault': 'status', 'code': 403, 'headers': "
                                "{'X-Error-Message': 'a\\u001b[31m\\u0007b'}}]");
    run(1, "pull", TINY, NULL);
    assert_null(strchr(child.err, '\x1b'));
    assert_null(strchr(child.err, '\a'));
    assert_says(child.err, "a?[31m?b");
}

static void an_edit_says_how_or_pulls_itself(void **state) {
    (void)state;
    run(1, "edit", "--model", TINY, "--image", PICTURE, "--prompt", "x", NULL);
    assert_says(child.err, "`firered pull example/tiny` fetches it, and so does --pull");
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    run(0, "edit", "--pull", "--model", TINY, "--image", PICTURE, "--prompt", "x", "--steps", "1",
        "--size", "64x64", "--output", "out2.png", NULL);
    hub_stub_forget(&scene.stub);
    run(0, "edit", "--pull", "--model", TINY, "--image", PICTURE, "--prompt", "x", "--steps", "1",
        "--size", "64x64", "--output", "out3.png", NULL);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
}

static void an_incomplete_model_is_told_and_gone_on_with(void **state) {
    (void)state;
    run(0, "pull", TINY, NULL);
    char command[5000];
    snprintf(command, sizeof command, "rm %s/snapshots/*/vae/config.json", in_repo(TINY, ""));
    assert_int_equal(system(command), 0);
    run(1, "info", "--model", TINY, NULL);
    assert_says(child.err, "missing: vae/config.json");
    run(1, "info", TINY, NULL);
    assert_says(child.err, "missing: vae/config.json");
    run(1, "info", "photos/cat.png", NULL); /* a picture that is not there is no model */
    assert_null(strstr(child.err, "firered pull"));
    run(1, "edit", "--model", TINY, "--image", PICTURE, "--prompt", "x", NULL);
    assert_says(child.err, "or not whole: `firered pull example/tiny`");
    run(1, "verify", TINY, NULL);
    assert_says(child.err, "missing: vae/config.json");
    run(0, "verify", TINY, "--repair", NULL);
    run(0, "info", "--model", TINY, NULL);
}

/* Of weights that are not here, the index tells how much they are. */
static void what_is_missing_is_told_with_its_size(void **state) {
    (void)state;
    char command[5000];
    run(0, "pull", SHARDS, NULL);
    snprintf(command, sizeof command,
             "rm %s/snapshots/*/transformer/*-0000[37]-of-00017.safetensors "
             "%s/snapshots/*/vae/config.json",
             in_repo(SHARDS, ""), in_repo(SHARDS, ""));
    assert_int_equal(system(command), 0);
    run(1, "info", SHARDS, NULL);
    assert_string_equal(child.out,
                        SHARDS " is not whole, missing:\n"
                               "  vae/config.json\n"
                               "  transformer/diffusion_pytorch_model-00003-of-00017.safetensors\n"
                               "  transformer/diffusion_pytorch_model-00007-of-00017.safetensors\n"
                               "weights of transformer: 3.2 MB here, about 586.2 kB missing\n");
    assert_says(child.err, SHARDS " is not whole, missing: vae/config.json and others, about ");
    assert_says(child.err, "(`firered pull " SHARDS "`)");
    run(1, "info", SHARDS, "--json", NULL);
    json_t *report = json_loads(child.out, 0, NULL), *weights = json_object_get(report, "weights");
    assert_false(json_boolean_value(json_object_get(report, "whole")));
    assert_int_equal(json_array_size(json_object_get(report, "missing")), 3);
    json_t *transformer = json_object_get(weights, "transformer");
    json_int_t there = json_integer_value(json_object_get(transformer, "bytes")),
               missing = json_integer_value(json_object_get(transformer, "missing_bytes"));
    assert_int_equal(there + missing, 3788096); /* as its index says */
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(weights, "vae"), "missing_bytes")), 0);
    json_decref(report);
    run(0, "pull", SHARDS, NULL);
    run(0, "info", SHARDS, NULL);
}

/* Before a first pull has ended there is no snapshot. */
static void a_pull_that_was_not_finished_is_told(void **state) {
    (void)state;
    const char *words[] = {"pull", TINY, "--limit-rate", "2M", NULL};
    child_start(&child, FIRERED_PROGRAM, words);
    usleep(1500000);
    kill(child.pid, SIGINT);
    child_wait(&child);
    assert_int_equal(child.status, 130);
    run(1, "info", TINY, NULL);
    assert_says(child.err, "of a pull that was not finished are here (`firered pull " TINY "`");
}

static void a_damaged_file_is_told_when_it_does_not_load(void **state) {
    (void)state;
    char command[5000];
    run(0, "pull", TINY, NULL);
    snprintf(command, sizeof command,
             "printf '\\377' | dd of=$(echo %s/snapshots/*/" VAE ") bs=1 seek=6 conv=notrunc "
             "2>/dev/null",
             in_repo(TINY, ""));
    assert_int_equal(system(command), 0);
    run(1, "edit", "--model", TINY, "--image", PICTURE, "--prompt", "x", NULL);
    assert_says(child.err, "`firered verify example/tiny` tells whether its files are damaged");
    run(1, "serve", "--model", TINY, "--port", "0", NULL);
    assert_says(child.err, "`firered verify example/tiny` tells whether its files are damaged");
    run(1, "verify", TINY, NULL);
    assert_says(child.err, VAE " is wrong");
    run(0, "verify", TINY, "--repair", NULL);
    run(0, "edit", "--model", TINY, "--image", PICTURE, "--prompt", "x", "--steps", "1", "--size",
        "64x64", "--output", "mended.png", NULL);
}

static void offline_is_kept(void **state) {
    (void)state;
    setenv("HF_HUB_OFFLINE", "1", 1);
    run(1, "pull", TINY, NULL);
    assert_says(child.err, "HF_HUB_OFFLINE says that there is no network");
    run(1, "edit", "--pull", "--model", TINY, "--image", PICTURE, "--prompt", "x", NULL);
    run(1, "serve", "--model", TINY, "--port", "0", NULL);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    unsetenv("HF_HUB_OFFLINE");
}

/* A repository with one adapter in it. */
static void make_adapter(void) {
    char folder[4096], path[4200];
    const float numbers[128] = {0};
    snprintf(folder, sizeof folder, "mkdir -p %s/example/adapter/main/sub", scene.root);
    assert_int_equal(system(folder), 0);
    snprintf(path, sizeof path, "%s/example/adapter/main/sub/a.safetensors", scene.root);
    const struct tensor_spec tensors[] = {
        {"transformer_blocks.0.attn.to_q.lora_A.weight", "F32", 2, {1, 128}, numbers, 512},
        {"transformer_blocks.0.attn.to_q.lora_B.weight", "F32", 2, {128, 1}, numbers, 512}};
    write_tensors(path, tensors, 2);
}

static void a_lora_is_named_like_a_model(void **state) {
    (void)state;
    make_adapter();
    run(0, "pull", TINY, NULL);
    run(1, "edit", "--model", TINY, "--lora", "example/adapter/sub/a.safetensors", "--image",
        PICTURE, "--prompt", "x", NULL);
    assert_says(child.err, "`firered pull example/adapter/sub/a.safetensors` fetches it");
    run(0, "edit", "--pull", "--model", TINY, "--lora",
        "example/adapter/sub/a.safetensors@main:0.5", "--image", PICTURE, "--prompt", "x",
        "--steps", "1", "--size", "64x64", "--output", "lora.png", NULL);
    hub_stub_forget(&scene.stub);
    run(0, "edit", "--model", TINY, "--lora", "example/adapter/sub/a.safetensors", "--image",
        PICTURE, "--prompt", "x", "--steps", "1", "--size", "64x64", "--output", "lora2.png", NULL);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    run(0, "pull", "example/adapter/sub/a.safetensors", NULL);
    assert_says(child.out, "/sub/a.safetensors\n");
    run(1, "pull", "example/adapter/none.safetensors", NULL);
    assert_says(child.err, "has no file none.safetensors");
}

static void start_serving_with(const char *pull, const char *lora) {
    const char *words[] = {"serve", "--model", TINY,        "--port",
                           "0",     "--host",  "127.0.0.1", "--log-format",
                           "text",  "--pull",  pull,        lora ? "--lora" : NULL,
                           lora,    NULL};
    child_start(&child, FIRERED_PROGRAM, words);
}

static void start_serving(const char *pull) {
    start_serving_with(pull, NULL);
}

/* GET of a path of the service; the status, and the body in log_text. */
static int ask(const char *path) {
    char command[300], status[16] = "", port[16] = "";
    text_from_file("child.err", log_text, sizeof log_text);
    const char *at = strstr(log_text, " port=");
    for (const char *more = at; more; more = strstr(more + 1, " port=")) at = more;
    assert_non_null(at);
    snprintf(port, sizeof port, "%d", atoi(at + 6));
    snprintf(command, sizeof command,
             "curl -s -o answer -w '%%{http_code}' http://127.0.0.1:%s%s > code", port, path);
    assert_int_equal(system(command), 0);
    text_from_file("answer", log_text, sizeof log_text);
    text_from_file("code", status, sizeof status);
    return atoi(status);
}

static void a_service_fetches_its_model_first(void **state) {
    (void)state;
    hub_stub_set(&scene.stub, "{'bandwidth': 1500000}");
    start_serving("auto");
    assert_true(wait_for_text("child.err", "downloading", 20));
    usleep(800000);
    assert_int_equal(ask("/ready"), 503);
    assert_says(log_text, "\"status\":\"downloading\"");
    assert_says(log_text, "the model is downloading (");
    assert_int_equal(ask("/health"), 200);
    assert_int_equal(ask("/info"), 200);
    assert_says(log_text, "\"status\":\"downloading\"");
    assert_int_equal(kill(child.pid, SIGTERM), 0);
    child_wait(&child);
    assert_int_equal(child.status, 0);

    hub_stub_set(&scene.stub, "{'bandwidth': 0}");
    hub_stub_forget(&scene.stub);
    start_serving("auto");
    assert_true(wait_for_text("child.err", " ready ", 60));
    assert_int_equal(ask("/ready"), 200);
    text_from_file("child.err", log_text, sizeof log_text);
    assert_says(log_text, " peak_bytes=");
    assert_true(hub_stub_bytes(&scene.stub, NULL) < 12000000); /* on from what was there */
    kill(child.pid, SIGTERM);
    child_wait(&child);
    assert_int_equal(child.status, 0);
    hub_stub_forget(&scene.stub);
    start_serving("auto"); /* and once it is here, the hub is not asked */
    assert_true(wait_for_text("child.err", " ready ", 60));
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    kill(child.pid, SIGTERM);
    child_wait(&child);
}

/* Also where only an adapter is not here: who waits for /ready is told. */
static void a_service_fetches_its_lora_first(void **state) {
    (void)state;
    make_adapter();
    run(0, "pull", TINY, NULL);
    hub_stub_set(&scene.stub, "{'latency': 1.5}");
    start_serving_with("auto", "example/adapter/sub/a.safetensors:0.5");
    assert_true(wait_for_text("child.err", " listening ", 20));
    assert_int_equal(ask("/ready"), 503);
    assert_says(log_text, "\"status\":\"downloading\"");
    assert_true(wait_for_text("child.err", " ready ", 60));
    assert_int_equal(ask("/ready"), 200);
    assert_says(log_text, TINY);
    kill(child.pid, SIGTERM);
    child_wait(&child);
    assert_int_equal(child.status, 0);
    hub_stub_set(&scene.stub, "{'latency': 0}");

    start_serving_with("auto", "example/adapter/none.safetensors"); /* no such file */
    child_wait(&child);
    assert_int_equal(child.status, 1);
    assert_says(child.err, "has no file none.safetensors");
    start_serving_with("never", "example/adapter/none.safetensors");
    child_wait(&child);
    assert_int_equal(child.status, 1);
    assert_says(child.err, "`firered pull example/adapter/none.safetensors` fetches it");
}

static void a_service_that_may_not_pull_says_so(void **state) {
    (void)state;
    start_serving("never");
    child_wait(&child);
    assert_int_equal(child.status, 1);
    assert_says(child.err, "`firered pull example/tiny` fetches it");
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    hub_stub_rules(&scene.stub, "[{'kind': 'cdn', 'fault': 'status', 'code': 403}]");
    start_serving("auto");
    child_wait(&child);
    assert_int_equal(child.status, 1);
    assert_says(child.err, "cannot be fetched");
}

#define PROGRAM_TEST(f) cmocka_unit_test_setup_teardown(f, reset, pull_scene_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        PROGRAM_TEST(a_model_is_pulled_listed_checked_and_removed),
        PROGRAM_TEST(events_are_json_objects_a_line_each),
        PROGRAM_TEST(a_terminal_shows_one_line),
        PROGRAM_TEST(wrong_words_are_status_2),
        PROGRAM_TEST(nothing_of_the_hubs_reaches_the_terminal_raw),
        PROGRAM_TEST(an_edit_says_how_or_pulls_itself),
        PROGRAM_TEST(an_incomplete_model_is_told_and_gone_on_with),
        PROGRAM_TEST(what_is_missing_is_told_with_its_size),
        PROGRAM_TEST(a_pull_that_was_not_finished_is_told),
        PROGRAM_TEST(a_damaged_file_is_told_when_it_does_not_load),
        PROGRAM_TEST(offline_is_kept),
        PROGRAM_TEST(a_lora_is_named_like_a_model),
        PROGRAM_TEST(a_service_fetches_its_model_first),
        PROGRAM_TEST(a_service_fetches_its_lora_first),
        PROGRAM_TEST(a_service_that_may_not_pull_says_so),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
