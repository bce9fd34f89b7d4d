/*
 * Pulls of a hub that behaves: what is fetched, and how it lies in the cache.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

static bool is_there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static const char *in_snapshot(const char *path) {
    return in_folder(scene.result.folder, path);
}

static void a_model_is_fetched_once_and_whole(void **state) {
    (void)state;
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "revision", NULL), 1);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "tree", NULL), 1);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", "file", BIG, NULL), 1);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", "file", SMALL, NULL), 1);
    assert_int_equal(hub_stub_bytes(&scene.stub, BIG), 5222016);
    assert_int_equal(scene.result.fetch, scene.result.bytes);
    assert_int_equal(scene.result.received, scene.result.bytes);
    hub_stub_forget(&scene.stub);
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 2); /* revision and tree */
    assert_int_equal(scene.result.fetch, 0);
}

static void a_full_commit_that_is_whole_asks_nobody(void **state) {
    (void)state;
    char commit[41], id[100];
    hub_stub_commit(&scene.stub, TINY, "main", commit);
    snprintf(id, sizeof id, TINY "@%s", commit);
    pull_well(id);
    assert_false(is_there(in_repo(TINY, "refs")));
    hub_stub_forget(&scene.stub);
    assert_int_equal(pull_run(id), STATUS_OK);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    assert_string_equal(scene.result.commit, commit);
    unlink(in_snapshot(BIG));
    pull_well(id);
    assert_true(hub_stub_count(&scene.stub, NULL) > 0);
}

static void what_a_model_does_not_need_stays(void **state) {
    (void)state;
    static const char *const others[] = {"README.md",
                                         ".gitattributes",
                                         "images/sample.png",
                                         "transformer/diffusion_pytorch_model.bin",
                                         "transformer/diffusion_pytorch_model.fp16.safetensors",
                                         "transformer/model-00001-of-00009.safetensors",
                                         "model-q8_0.gguf"};
    pull_well(TINY);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(is_there(in_snapshot(others[i])));
    assert_true(is_there(in_snapshot("transformer/notes.txt")));
    assert_true(is_there(in_snapshot("edit_config.json")));
    scene.request.all = true;
    pull_well(TINY);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(is_there(in_snapshot(others[i])));
}

static void an_index_says_which_shards(void **state) {
    (void)state;
    pull_well(SHARDS);
    assert_true(
        is_there(in_snapshot("transformer/diffusion_pytorch_model-00017-of-00017.safetensors")));
    assert_false(is_there(in_snapshot("transformer/model-00001-of-00009.safetensors")));
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", "file",
                                    "vae/diffusion_pytorch_model.safetensors.index.json", NULL),
                     1);
}

static void it_lies_as_the_hubs_tools_lay_it(void **state) {
    (void)state;
    char link[300], text[100] = "";
    struct stat st;
    mode_t old = umask(027);
    pull_well(TINY);
    umask(old);
    ssize_t n = readlink(in_snapshot(BIG), link, sizeof link - 1);
    assert_true(n > 0);
    link[n] = '\0';
    assert_memory_equal(link, "../../../blobs/", 15);
    assert_int_equal(strlen(link), 15 + 64);
    n = readlink(in_snapshot(SMALL), link, sizeof link - 1);
    assert_int_equal(n, 12 + 40);
    assert_int_equal(stat(in_snapshot(BIG), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    FILE *f = fopen(in_repo(TINY, "refs/main"), "rb");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof text, f), 40);
    fclose(f);
    assert_string_equal(text, scene.result.commit);
    assert_int_equal(stat(in_folder(scene.cache, "CACHEDIR.TAG"), &st), 0);
    char lock[200];
    snprintf(lock, sizeof lock, ".locks/models--example--tiny/%s.lock", blob_of(TINY, BIG));
    assert_int_equal(stat(in_folder(scene.cache, lock), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0664);
    assert_int_equal(st.st_size, 0);
    DIR *blobs = opendir(in_repo(TINY, "blobs"));
    for (struct dirent *e; (e = readdir(blobs));)
        if (e->d_name[0] != '.') assert_null(strchr(e->d_name, '.'));
    closedir(blobs);
    assert_blobs_right();
}

static void a_dry_run_writes_nothing(void **state) {
    (void)state;
    scene.request.dry_run = true;
    assert_int_equal(pull_run(SHARDS), STATUS_OK);
    assert_int_equal(scene.result.fetch, scene.result.bytes);
    assert_true(scene.result.bytes > 6000000);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "cdn", NULL), 0);
    assert_false(is_there(in_repo(SHARDS, "")));
}

static void force_fetches_what_is_there(void **state) {
    (void)state;
    pull_well(TINY);
    hub_stub_forget(&scene.stub);
    scene.request.force = true;
    pull_well(TINY);
    assert_int_equal(hub_stub_bytes(&scene.stub, BIG), 5222016);
}

static void one_file_can_be_fetched(void **state) {
    (void)state;
    scene.request.file = VAE;
    pull_well(TINY);
    assert_int_equal(scene.result.files, 1);
    hub_stub_forget(&scene.stub);
    scene.options.offline = true;
    assert_int_equal(pull_run(TINY), STATUS_OK);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    scene.options.offline = false;
    scene.request.file = "no/such.safetensors";
    pull_badly(TINY, "has no file no/such.safetensors");
}

/* peft's adapter without its config would be merged at another strength. */
static void an_adapter_brings_its_config(void **state) {
    (void)state;
    pull_scene_make("lora", "adapter_model.safetensors", 64, 1);
    pull_scene_make("lora", "adapter_config.json", 32, 2);
    pull_scene_make("lora", "other.safetensors", 64, 3);
    scene.request.file = "adapter_model.safetensors";
    pull_well("example/lora");
    assert_int_equal(scene.result.files, 2);
    assert_true(is_there(in_snapshot("adapter_config.json")));
    scene.request.file = "other.safetensors";
    assert_int_equal(pull_run("example/lora"), STATUS_OK);
    assert_int_equal(scene.result.files, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_model_is_fetched_once_and_whole),
        PULL_TEST(a_full_commit_that_is_whole_asks_nobody),
        PULL_TEST(what_a_model_does_not_need_stays),
        PULL_TEST(an_index_says_which_shards),
        PULL_TEST(it_lies_as_the_hubs_tools_lay_it),
        PULL_TEST(a_dry_run_writes_nothing),
        PULL_TEST(force_fetches_what_is_there),
        PULL_TEST(one_file_can_be_fetched),
        PULL_TEST(an_adapter_brings_its_config),
    };
    return cmocka_run_group_tests(tests, pull_scene_enter, pull_scene_leave);
}
