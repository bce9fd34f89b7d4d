/*
 * A stub of the hub serves two models made from the reference data; each test pulls into a new
 * cache and looks at what it got.
 */
#include "pull_scene.h"

#include <dirent.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

struct pull_scene scene;

int pull_scene_enter(void **state) {
    (void)state;
    if (!hub_stub_possible()) {
        puts("skipped: no python3 to run the stand-in for the hub");
        exit(77);
    }
    scene.root = temporary_folder();
    static const char *const words[] = {
        "--make",   TINY "=" TEST_DATA "/tiny-edit/model",
        "--make",   SHARDS "=" TEST_DATA "/tiny-edit-bf16-sharded/model",
        "--extras", NULL};
    hub_stub_start(&scene.stub, scene.root, words);
    return 0;
}

int pull_scene_leave(void **state) {
    (void)state;
    hub_stub_stop(&scene.stub);
    remove_folder(scene.root);
    return 0;
}

static void tell(void *arg, const struct hub_event *e) {
    (void)arg;
    size_t n = strlen(scene.notes);
    if (e->kind == HUB_EVENT_WAIT || e->kind == HUB_EVENT_NOTE)
        snprintf(scene.notes + n, sizeof scene.notes - n, "%s\n", e->text);
    if (e->kind == HUB_EVENT_FILE) scene.files++;
    if (scene.cancel_at && e->bytes >= scene.cancel_at && e->kind == HUB_EVENT_PROGRESS)
        atomic_store(&scene.cancel, true);
}

static bool cancelled(void *arg) {
    (void)arg;
    return atomic_load(&scene.cancel);
}

int pull_scene_reset(void **state) {
    (void)state;
    hub_stub_rules(&scene.stub, "[]");
    hub_stub_set(&scene.stub,
                 "{'expires': 3600, 'page_size': 1000, 'bandwidth': 0, 'latency': 0, 'rate_limit': "
                 "null, 'direct': false, 'xet': false, 'tokens': {'hf_stub': 'tester'}}");
    hub_stub_forget(&scene.stub);
    scene.cache = temporary_folder();
    scene.options = hub_options_default();
    scene.options.cache = scene.cache;
    scene.options.cache_source = "HF_HUB_CACHE";
    scene.options.endpoint = scene.stub.hub;
    scene.options.pause = 0.01;
    scene.options.seconds = 2;
    scene.options.tell = tell;
    scene.options.cancelled = cancelled;
    scene.request = (struct hub_pull_request){0};
    scene.cancel_at = 0;
    return 0;
}

int pull_scene_end(void **state) {
    (void)state;
    hub_pull_result_free(&scene.result);
    remove_folder(scene.cache);
    return 0;
}

void pull_scene_make(const char *name, const char *file, size_t bytes, uint32_t seed) {
    char path[4096];
    uint32_t *elements = malloc(bytes), x = seed;
    assert_non_null(elements);
    for (size_t i = 0; i < bytes / 4; i++) elements[i] = x = x * 1664525u + 1013904223u;
    snprintf(path, sizeof path, "%s/example/%s", scene.root, name);
    (void)mkdir(path, 0700);
    strcat(path, "/main");
    (void)mkdir(path, 0700);
    strcat(path, "/");
    strcat(path, file);
    write_bytes(path, elements, bytes);
    free(elements);
}

enum status pull_run(const char *text) {
    struct hub_id id;
    assert_true(hub_id_parse(&id, text));
    hub_pull_result_free(&scene.result);
    scene.notes[0] = scene.err.text[0] = '\0';
    scene.files = 0;
    atomic_store(&scene.cancel, false);
    return hub_pull(&scene.options, &id, &scene.request, &scene.result, &scene.err);
}

static void digest(const char *path, bool sha256, char out[65]) {
    struct buffer file = {0};
    struct error err = {""};
    char head[64];
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (buffer_read_file(&file, path, 1 << 30, &err) != STATUS_OK) fail_msg("%s", err.text);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c, sha256 ? EVP_sha256() : EVP_sha1(), NULL);
    int n = snprintf(head, sizeof head, "blob %zu", file.size);
    if (!sha256) EVP_DigestUpdate(c, head, (size_t)n + 1);
    if (file.size) EVP_DigestUpdate(c, file.data, file.size);
    EVP_DigestFinal_ex(c, value, &size);
    EVP_MD_CTX_free(c);
    for (unsigned i = 0; i < size; i++) sprintf(out + 2 * i, "%02x", value[i]);
    buffer_free(&file);
}

static int check_blob(const char *path, const struct stat *st, int kind, struct FTW *where) {
    const char *name = path + where->base;
    char is[65];
    (void)st;
    if (kind != FTW_F || !strstr(path, "/blobs/") || strstr(name, ".firered-")) return 0;
    if (strspn(name, "0123456789abcdef") != strlen(name)) return 0;
    if (strlen(name) != 40 && strlen(name) != 64) return 0;
    digest(path, strlen(name) == 64, is);
    if (strcmp(is, name) != 0) fail_msg("%s has other bytes than its name says", path);
    return 0;
}

void assert_blobs_right(void) {
    nftw(scene.cache, check_blob, 8, FTW_PHYS);
}

static size_t compared;
static const char *served, *snapshot;

static int compare_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    struct buffer is = {0}, wanted = {0};
    struct error err = {""};
    char source[4096];
    (void)st, (void)where;
    if (kind == FTW_D) return 0;
    snprintf(source, sizeof source, "%s/%s", served, path + strlen(snapshot) + 1);
    if (buffer_read_file(&is, path, 1 << 30, &err) != STATUS_OK ||
        buffer_read_file(&wanted, source, 1 << 30, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    if (is.size != wanted.size || (is.size && memcmp(is.data, wanted.data, is.size) != 0))
        fail_msg("%s has other bytes than %s", path, source);
    buffer_free(&is);
    buffer_free(&wanted);
    compared++;
    return 0;
}

void assert_right_in(const char *id, const char *branch) {
    char text[200], folder[4096];
    snprintf(text, sizeof text, "%s/%s", id, branch);
    snprintf(folder, sizeof folder, "%s/%s", scene.root, text);
    compared = 0;
    served = folder;
    snapshot = scene.result.folder;
    nftw(scene.result.folder, compare_one, 8, FTW_PHYS);
    assert_int_equal(compared, scene.result.files);
}

void pull_well(const char *id) {
    if (pull_run(id) != STATUS_OK) fail_msg("%s: %s", id, scene.err.text);
    char name[200];
    snprintf(name, sizeof name, "%s", id);
    name[strcspn(name, "@")] = '\0';
    assert_right_in(name, "main");
}

void pull_badly(const char *id, const char *says) {
    enum status s = pull_run(id);
    if (s == STATUS_OK || !strstr(scene.err.text, says))
        fail_msg("%s: %d \"%s\" instead of \"%s\"", id, s, scene.err.text, says);
    assert_blobs_right();
}

const char *in_repo(const char *id, const char *below) {
    char path[1000];
    snprintf(path, sizeof path, "models--%s/%s", id, below);
    char *slash = strchr(path, '/');
    char full[1100];
    *slash = '\0';
    snprintf(full, sizeof full, "%s--%s", path, slash + 1);
    return in_folder(scene.cache, full);
}

const char *blob_of(const char *id, const char *path) {
    static char name[128];
    char link[1000], below[600];
    (void)id;
    snprintf(below, sizeof below, "%s/%s", scene.result.folder, path);
    ssize_t n = readlink(below, link, sizeof link - 1);
    assert_true(n > 0);
    link[n] = '\0';
    snprintf(name, sizeof name, "%s", strrchr(link, '/') + 1);
    return name;
}
