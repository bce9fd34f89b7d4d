/*
 * The hub's lists and what is chosen of them, without a hub.
 */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"
#include "hub/select.h"
#include "hub/tree.h"

#define SHA1   "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define SHA256 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct hub_tree tree;
static struct error err;

/* Makes a list of paths, a blank between each two: a '+' behind one: in LFS, a '*': 20 MB. */
static void make_tree(const char *paths) {
    struct buffer json = {0};
    char all[2000];
    hub_tree_free(&tree);
    snprintf(all, sizeof all, "%s", paths);
    for (char *path = strtok(all, " "); path; path = strtok(NULL, " ")) {
        size_t n = strlen(path);
        bool lfs = path[n - 1] == '+', large = path[n - 1] == '*';
        if (lfs || large) path[n - 1] = '\0';
        buffer_printf(&json,
                      "%s{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":%d,\"path\":\"%s\"%s}",
                      json.size ? "," : "[", large ? 20000000 : 7, path,
                      lfs ? ",\"lfs\":{\"oid\":\"" SHA256 "\",\"size\":9}" : "");
    }
    buffer_printf(&json, "]");
    assert_int_equal(hub_tree_add(&tree, json.data, json.size, &err), STATUS_OK);
    assert_int_equal(hub_tree_finish(&tree, &err), STATUS_OK);
    buffer_free(&json);
}

static enum status add(const char *json) {
    hub_tree_free(&tree);
    enum status s = hub_tree_add(&tree, json, strlen(json), &err);
    return s == STATUS_OK ? hub_tree_finish(&tree, &err) : s;
}

static void entries_that_cannot_be_used_are_left_out(void **state) {
    (void)state;
    static const char *const bad[] = {"\"path\":\"../x\"",
                                      "\"path\":\"/x\"",
                                      "\"path\":\"a/../b\"",
                                      "\"path\":\"a//b\"",
                                      "\"path\":\"\"",
                                      "\"path\":\".\"",
                                      "\"path\":\"..\"",
                                      "\"path\":\"a/\"",
                                      "\"path\":\"a\\u0000b\"",
                                      "\"path\":\"a\\nb\"",
                                      "\"path\":\"a\\\\b\"",
                                      "\"path\":7",
                                      "\"path\":\"\\u001b[31m\"",
                                      "\"no\":1"};
    char json[400];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(json, sizeof json, "[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,%s}]",
                 bad[i]);
        if (add(json) != STATUS_OK || tree.count != 0 || tree.ignored != 1) fail_msg("%s", json);
    }
    static const char *const fields[] = {
        "\"oid\":\"" SHA1 "\",\"size\":-1",
        "\"oid\":\"" SHA1 "\",\"size\":1.5",
        "\"oid\":\"" SHA1 "0\",\"size\":1",
        "\"oid\":\"" SHA256 "\",\"size\":1",
        "\"oid\":\"..\",\"size\":1",
        "\"size\":1",
        "\"oid\":\"" SHA1 "\",\"size\":\"1\"",
        "\"oid\":\"E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391\",\"size\":1",
        "\"oid\":\"" SHA1 "\",\"size\":1,\"lfs\":{\"oid\":\"" SHA1 "\",\"size\":1}"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        snprintf(json, sizeof json, "[{\"type\":\"file\",\"path\":\"a\",%s}]", fields[i]);
        if (add(json) != STATUS_OK || tree.count != 0 || tree.ignored != 1) fail_msg("%s", json);
    }
}

static void lists_that_contradict_themselves_are_refused(void **state) {
    (void)state;
    assert_int_equal(add("{}"), STATUS_INVALID);
    assert_int_equal(add("nothing"), STATUS_INVALID);
    assert_int_equal(add("[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,\"path\":\"a\"},"
                         "{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":2,\"path\":\"a\"}]"),
                     STATUS_INVALID);
    assert_non_null(strstr(err.text, "lists a twice"));
    assert_int_equal(add("[{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,\"path\":\"a\"},"
                         "{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,\"path\":\"a-b\"},"
                         "{\"type\":\"file\",\"oid\":\"" SHA1 "\",\"size\":1,\"path\":\"a/b\"}]"),
                     STATUS_INVALID);
    assert_non_null(strstr(err.text, "below what is a file itself"));
}

static void a_commit_is_forty_digits(void **state) {
    (void)state;
    char commit[HUB_COMMIT_SIZE];
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"sha\":7}",
                                      "{\"sha\":\"main\"}",
                                      "",
                                      "{\"sha\":\"E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(hub_revision_read(commit, bad[i], strlen(bad[i]), &err), STATUS_INVALID);
    const char *good = "{\"id\":\"a/b\",\"sha\":\"" SHA1 "\"}";
    assert_int_equal(hub_revision_read(commit, good, strlen(good), &err), STATUS_OK);
    assert_string_equal(commit, SHA1);
}

static void the_next_page_is_in_the_link(void **state) {
    (void)state;
    const char *url;
    size_t size;
    assert_false(hub_link_next("", &url, &size));
    assert_false(hub_link_next("<http://x/>; rel=\"prev\"", &url, &size));
    assert_false(hub_link_next("<http://x/; rel=\"next\"", &url, &size));
    assert_true(
        hub_link_next("<http://x/a>; rel=\"xet-auth\", <http://x/b>; rel=\"next\"", &url, &size));
    assert_int_equal(size, 10);
    assert_memory_equal(url, "http://x/b", 10);
}

static const char *index_text;

static bool has(void *arg, const char *path) {
    return hub_tree_find(arg, path) != NULL;
}

static enum status read_index(void *arg, const char *path, struct buffer *out, struct error *e) {
    (void)arg, (void)path;
    return buffer_append(out, index_text, strlen(index_text), e);
}

#define CONFIGS                                                                                    \
    "model_index.json scheduler/scheduler_config.json processor/preprocessor_config.json "         \
    "tokenizer/vocab.json tokenizer/merges.txt transformer/config.json text_encoder/config.json "  \
    "vae/config.json "
#define WEIGHTS                                                                                    \
    "transformer/diffusion_pytorch_model.safetensors+ text_encoder/model.safetensors+ "            \
    "vae/diffusion_pytorch_model.safetensors+ "

/* What of the list is not chosen, a blank between each two, in the list's order. */
static const char *left_out(void) {
    static char out[2000];
    bool *chosen = calloc(tree.count + 1, sizeof *chosen);
    const struct hub_look look = {has, read_index, &tree, false};
    if (hub_select(&tree, &look, chosen, &err) != STATUS_OK) fail_msg("%s", err.text);
    out[0] = '\0';
    for (size_t i = 0; i < tree.count; i++)
        if (!chosen[i]) sprintf(out + strlen(out), "%s%s", *out ? " " : "", tree.files[i].path);
    free(chosen);
    return out;
}

static void what_a_model_needs_is_chosen(void **state) {
    (void)state;
    make_tree(CONFIGS WEIGHTS);
    assert_string_equal(left_out(), "");
    make_tree(
        CONFIGS WEIGHTS
        "README.md .gitattributes images/a.png edit_config.json "
        "transformer/notes.txt transformer/x.bin text_encoder/pytorch_model.bin "
        "transformer/diffusion_pytorch_model.fp16.safetensors+ vae/other.safetensors+ "
        "processor/chat_template.jinja tokenizer/spiece.model tokenizer/large.json* "
        "model.gguf vae/a.pt vae/a.ckpt vae/a.onnx vae/a.msgpack unet/config.json config.json");
    assert_string_equal(left_out(),
                        ".gitattributes README.md config.json images/a.png model.gguf "
                        "text_encoder/pytorch_model.bin tokenizer/large.json "
                        "transformer/diffusion_pytorch_model.fp16.safetensors transformer/x.bin "
                        "unet/config.json vae/a.ckpt vae/a.msgpack vae/a.onnx vae/a.pt "
                        "vae/other.safetensors");
    index_text = "{\"weight_map\":{\"a\":\"d-1.safetensors\",\"b\":\"d-2.safetensors\"}}";
    make_tree(
        CONFIGS
        "transformer/diffusion_pytorch_model.safetensors.index.json "
        "transformer/d-1.safetensors+ transformer/d-2.safetensors+ transformer/d-3.safetensors+ "
        "text_encoder/model.safetensors+ vae/diffusion_pytorch_model.safetensors+");
    assert_string_equal(left_out(), "transformer/d-3.safetensors");
}

static void refuses(const char *paths, const char *says) {
    const struct hub_look look = {has, read_index, &tree, false};
    make_tree(paths);
    bool *chosen = calloc(tree.count + 1, sizeof *chosen);
    assert_int_equal(hub_select(&tree, &look, chosen, &err), STATUS_INVALID);
    if (!strstr(err.text, says)) fail_msg("%s", err.text);
    free(chosen);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    refuses("README.md", "it has no model_index.json");
    refuses(CONFIGS, "it has no transformer/diffusion_pytorch_model.safetensors");
#define INDEXED                                                                                    \
    CONFIGS "transformer/diffusion_pytorch_model.safetensors.index.json "                          \
            "text_encoder/model.safetensors+ vae/diffusion_pytorch_model.safetensors+"
    index_text = "{\"weight_map\":{\"a\":\"d-1.safetensors\"}}";
    refuses(INDEXED, "it has no transformer/d-1.safetensors");
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"weight_map\":7}",
                                      "{\"weight_map\":{\"a\":7}}",
                                      "{\"weight_map\":{\"a\":\"../d.safetensors\"}}",
                                      "{\"weight_map\":{\"a\":\"x/d.safetensors\"}}",
                                      "{\"weight_map\":{\"a\":\"d.bin\"}}",
                                      "{\"weight_map\":{\"a\":\"\\u0001.safetensors\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        index_text = bad[i];
        refuses(INDEXED, i < 3 ? "is no index of weights" : "names what is no file beside it");
    }
    struct buffer missing = {0};
    const struct hub_look look = {has, read_index, &tree, true};
    make_tree("model_index.json tokenizer/tokenizer.json " WEIGHTS);
    assert_int_equal(hub_missing(&look, &missing, &err), STATUS_OK);
    assert_string_equal(missing.data,
                        "scheduler/scheduler_config.json, processor/processor_config.json, "
                        "transformer/config.json, text_encoder/config.json, vae/config.json");
    buffer_free(&missing);
}

static int clean(void **state) {
    (void)state;
    hub_tree_free(&tree);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_that_cannot_be_used_are_left_out),
        cmocka_unit_test(lists_that_contradict_themselves_are_refused),
        cmocka_unit_test(a_commit_is_forty_digits),
        cmocka_unit_test(the_next_page_is_in_the_link),
        cmocka_unit_test(what_a_model_needs_is_chosen),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
