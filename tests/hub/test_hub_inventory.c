/*
 * What the cache holds: listed, checked, mended, taken out; and the layout in which the hub's own
 * tools share blobs.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/inventory.h"
#include "hub/verify.h"

static bool is_there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static void run(const char *format, ...) {
    char command[9000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) fail_msg("%s", command);
}

static struct hub_inventory look(void) {
    struct hub_inventory held;
    struct error err = {""};
    if (hub_inventory_read(&held, &scene.options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return held;
}

static void a_cache_tells_what_it_holds(void **state) {
    (void)state;
    struct hub_inventory held = look();
    assert_int_equal(held.count, 0);
    pull_well(SHARDS);
    pull_well(TINY);
    run("mkdir -p %s/models--only--begun/blobs %s/nonsense %s/models--x", scene.cache, scene.cache,
        scene.cache);
    held = look();
    assert_int_equal(held.count, 2);
    assert_string_equal(held.items[1].id.name, "tiny");
    assert_string_equal(held.items[1].id.revision, "main");
    assert_string_equal(held.items[1].commit, scene.result.commit);
    assert_int_equal(held.items[1].bytes, scene.result.bytes);
    assert_string_equal(held.items[1].missing, "");
    assert_true(held.items[1].used > 1000000000);
    hub_inventory_free(&held);
    unlink(in_folder(scene.result.folder, VAE));
    held = look();
    assert_string_equal(held.items[1].missing, VAE);
    hub_inventory_free(&held);
}

static void a_pull_that_was_not_finished_is_listed(void **state) {
    (void)state;
    hub_stub_rules(&scene.stub,
                   "[{'kind': 'cdn', 'fault': 'cut', 'after': 100000, 'times': 1}, {'kind': "
                   "'cdn', 'fault': 'status', 'code': 500}]");
    pull_badly(TINY, "status 500");
    struct hub_inventory held = look();
    assert_int_equal(held.count, 1);
    assert_string_equal(held.items[0].missing, "a pull that was not finished");
    assert_true(held.items[0].fetching >= 100000);
    hub_inventory_free(&held);
}

static enum status removed(const char *text, uint64_t *bytes) {
    struct hub_id id;
    assert_true(hub_id_parse(&id, text));
    return hub_remove(&scene.options, &id, bytes, &scene.err);
}

static void a_model_goes_with_all_that_is_its_own(void **state) {
    (void)state;
    uint64_t bytes;
    pull_well(SHARDS);
    pull_well(TINY);
    uint64_t size = scene.result.bytes;
    assert_int_equal(removed(TINY, &bytes), STATUS_OK);
    assert_true(bytes >= size && bytes < size + (1 << 20));
    assert_false(is_there(in_repo(TINY, "")));
    assert_false(is_there(in_folder(scene.cache, ".locks/models--example--tiny")));
    assert_true(is_there(in_repo(SHARDS, "refs/main")));
    assert_int_equal(removed(TINY, &bytes), STATUS_INVALID);
    assert_non_null(strstr(scene.err.text, "example/tiny is not in "));
    assert_int_equal(removed(SHARDS "@v9", &bytes), STATUS_INVALID);
}

static void a_revision_goes_without_the_others_files(void **state) {
    (void)state;
    uint64_t bytes;
    char id[100], first[41];
    run("mkdir -p %s/example && rm -rf %s/example/moving && mkdir %s/example/moving && cp "
        "-r " TEST_DATA "/tiny-edit/model %s/example/moving/main",
        scene.root, scene.root, scene.root, scene.root);
    pull_well("example/moving");
    snprintf(first, sizeof first, "%.40s", scene.result.commit);
    run("echo '{\"default_steps\": 3}' > %s/example/moving/main/edit_config.json", scene.root);
    pull_well("example/moving");
    char *kept = strdup(blob_of("example/moving", VAE));
    snprintf(id, sizeof id, "example/moving@%s", first);
    assert_int_equal(removed(id, &bytes), STATUS_OK);
    assert_true(bytes > 0 && bytes < 10000); /* edit_config.json as it was */
    char path[300];
    snprintf(path, sizeof path, "blobs/%s", kept);
    assert_true(is_there(in_repo("example/moving", path)));
    assert_true(is_there(in_repo("example/moving", "refs/main")));
    assert_right_in("example/moving", "main");
    assert_int_equal(removed("example/moving@main", &bytes), STATUS_OK);
    assert_false(is_there(in_repo("example/moving", "")));
    free(kept);
}

static void what_another_process_pulls_is_not_removed(void **state) {
    (void)state;
    uint64_t bytes;
    char path[400];
    pull_well(TINY);
    snprintf(path, sizeof path, ".locks/models--example--tiny/%s.lock", blob_of(TINY, VAE));
    int fd = open(in_folder(scene.cache, path), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(removed(TINY, &bytes), STATUS_INVALID);
    assert_non_null(strstr(scene.err.text, "another process is pulling example/tiny"));
    assert_true(is_there(in_repo(TINY, "refs/main")));
    close(fd);
}

static struct hub_verify_result verify(const char *text, bool repair, enum status wanted) {
    struct hub_verify_result r;
    struct hub_id id;
    assert_true(hub_id_parse(&id, text));
    scene.notes[0] = '\0';
    enum status s = hub_verify(&scene.options, &id, repair, &r, &scene.err);
    if (s != wanted) fail_msg("%d: %s", s, scene.err.text);
    return r;
}

/* Changes one byte of a blob, behind its link. */
static void spoil(const char *path) {
    char full[4096];
    snprintf(full, sizeof full, "%s/%s", scene.result.folder, path);
    int fd = open(full, O_RDWR);
    char byte = 0;
    assert_true(fd >= 0 && pread(fd, &byte, 1, 100) == 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
    close(fd);
}

static void every_byte_is_checked_and_mended(void **state) {
    (void)state;
    pull_well(TINY);
    hub_stub_forget(&scene.stub);
    struct hub_verify_result r = verify(TINY, false, STATUS_OK);
    assert_int_equal(r.files, scene.result.files);
    assert_int_equal(r.wrong + r.unchecked + r.missing.size, 0);
    assert_int_equal(hub_stub_count(&scene.stub, NULL), 0);
    hub_verify_result_free(&r);

    spoil(VAE);
    spoil(SMALL);
    r = verify(TINY, false, STATUS_OK);
    assert_int_equal(r.wrong, 2);
    assert_non_null(strstr(scene.notes, VAE " is wrong"));
    hub_verify_result_free(&r);
    r = verify(TINY, true, STATUS_OK);
    assert_int_equal(r.repaired, 2);
    hub_verify_result_free(&r);
    assert_int_equal(hub_stub_bytes(&scene.stub, NULL), 3718700);
    assert_right_in(TINY, "main");

    unlink(in_folder(scene.result.folder, BIG));
    r = verify(TINY, false, STATUS_OK);
    assert_string_equal(r.missing.data, BIG);
    hub_verify_result_free(&r);
    r = verify(TINY, true, STATUS_OK);
    hub_verify_result_free(&r);
    assert_right_in(TINY, "main");
    r = verify("example/none", true, STATUS_INVALID);
    hub_verify_result_free(&r);
}

static void files_in_the_snapshot_are_checked_against_the_list(void **state) {
    (void)state;
    scene.options.no_links = true;
    pull_well(TINY);
    struct hub_verify_result r = verify(TINY, false, STATUS_OK);
    assert_int_equal(r.wrong + r.unchecked, 0);
    hub_verify_result_free(&r);
    spoil(VAE);
    r = verify(TINY, true, STATUS_OK);
    assert_int_equal(r.repaired, 1);
    hub_verify_result_free(&r);
    assert_right_in(TINY, "main");
    scene.options.offline = true;
    r = verify(TINY, false, STATUS_OK);
    assert_int_equal(r.unchecked, scene.result.files);
    hub_verify_result_free(&r);
}

/* Lays a blob out as the hub's tools do it for what came by Xet: in a store beside the models, with
 * mode 0444, and a link in the model's blobs. */
static void share(const char *path, char store[4096]) {
    const char *hash = blob_of(TINY, path);
    char blob[4096], target[200], below[200];
    snprintf(below, sizeof below, "blobs/%s", hash);
    snprintf(blob, sizeof blob, "%s", in_repo(TINY, below));
    run("mkdir -p %s/blobs/ab", scene.cache);
    snprintf(store, 4096, "%s/blobs/ab/ab%.62s", scene.cache, hash);
    assert_int_equal(rename(blob, store), 0);
    assert_int_equal(chmod(store, 0444), 0);
    snprintf(target, sizeof target, "../../blobs/ab/ab%.62s", hash);
    assert_int_equal(symlink(target, blob), 0);
}

static void shared_blobs_are_used_and_left_alone(void **state) {
    (void)state;
    char store[4096];
    uint64_t bytes;
    struct stat st, now;
    pull_well(TINY);
    share(BIG, store);
    assert_int_equal(stat(store, &st), 0);
    hub_stub_forget(&scene.stub);
    pull_well(TINY);
    assert_int_equal(hub_stub_bytes(&scene.stub, NULL), 0);

    run("printf x | dd of=%s bs=1 seek=50 conv=notrunc 2>/dev/null", store);
    struct hub_verify_result r = verify(TINY, true, STATUS_OK);
    assert_int_equal(r.repaired, 1);
    hub_verify_result_free(&r);
    assert_right_in(TINY, "main"); /* the link was replaced, */
    assert_int_equal(stat(store, &now), 0);
    assert_int_equal(now.st_ino, st.st_ino); /* and not written through */

    share(BIG, store);
    struct hub_inventory held = look();
    assert_int_equal(held.items[0].bytes, scene.result.bytes);
    hub_inventory_free(&held);
    assert_int_equal(removed(TINY, &bytes), STATUS_OK);
    assert_true(is_there(store));
    assert_true(bytes < scene.result.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_cache_tells_what_it_holds),
        PULL_TEST(a_pull_that_was_not_finished_is_listed),
        PULL_TEST(a_model_goes_with_all_that_is_its_own),
        PULL_TEST(a_revision_goes_without_the_others_files),
        PULL_TEST(what_another_process_pulls_is_not_removed),
        PULL_TEST(every_byte_is_checked_and_mended),
        PULL_TEST(files_in_the_snapshot_are_checked_against_the_list),
        PULL_TEST(shared_blobs_are_used_and_left_alone),
    };
    return cmocka_run_group_tests(tests, pull_scene_enter, pull_scene_leave);
}
