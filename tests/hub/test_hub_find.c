/*
 * Finding a model's folder, with caches made for the test.
 */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/find.h"
#include "support/files.h"

/* Creates FOLDER/RELATIVE with all that is above it. */
static void make_folders(const char *folder, const char *relative) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, relative);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    assert_int_equal(mkdir(path, 0700), 0);
}

static struct hub_options in_cache(const char *cache) {
    return (struct hub_options){.cache = cache};
}

static void assert_found(const char *id, const struct hub_options *options, const char *folder,
                         const char *relative) {
    char *found;
    struct error err = {""};
    if (hub_find_model(&found, id, options, &err) != STATUS_OK) fail_msg("%s: %s", id, err.text);
    assert_string_equal(found, in_folder(folder, relative));
    free(found);
}

static void assert_not_found(const char *id, const struct hub_options *options, const char *says) {
    char *found = "";
    struct error err = {""};
    enum status s = hub_find_model(&found, id, options, &err);
    if (s != STATUS_INVALID || !strstr(err.text, says))
        fail_msg("%s: %d \"%s\" instead of \"%s\"", id, s, err.text, says);
    assert_null(found);
}

#define FIRST  "c0ffee0000000000000000000000000000000000"
#define SECOND "beef000000000000000000000000000000000000"
#define REPO   "models--Org--Name-1.0"

static void snapshots_are_found_by_their_ref(void **state) {
    const char *cache = *state;
    const struct hub_options options = in_cache(cache);
    make_folders(cache, REPO "/snapshots/" FIRST);
    make_folders(cache, REPO "/snapshots/" SECOND);
    make_folders(cache, REPO "/snapshots/abcdef0");
    make_folders(cache, REPO "/refs/refs/pr");
    const char *main_ref = REPO "/refs/main";
    assert_not_found("Org/Name-1.0", &options, "`firered pull Org/Name-1.0` fetches it");
    write_text(in_folder(cache, main_ref), FIRST);
    assert_found("Org/Name-1.0", &options, cache, REPO "/snapshots/" FIRST);
    write_text(in_folder(cache, main_ref), SECOND "\r\n");
    assert_found("Org/Name-1.0", &options, cache, REPO "/snapshots/" SECOND);
    assert_found("Org/Name-1.0@" FIRST, &options, cache, REPO "/snapshots/" FIRST);
    assert_found("Org/Name-1.0@abcdef0", &options, cache, REPO "/snapshots/abcdef0");
    write_text(in_folder(cache, REPO "/refs/v2"), FIRST);
    assert_found("Org/Name-1.0@v2", &options, cache, REPO "/snapshots/" FIRST);
    write_text(in_folder(cache, REPO "/refs/refs/pr/1"), FIRST);
    assert_found("Org/Name-1.0@refs/pr/1", &options, cache, REPO "/snapshots/" FIRST);
    assert_not_found("Org/Name-1.0@v3", &options, "is not on this machine");
    assert_not_found("org/name-1.0", &options, "is not on this machine");
    write_text(in_folder(cache, main_ref), "feed000000000000000000000000000000000000");
    assert_not_found("Org/Name-1.0", &options, "is not on this machine");
}

static void refs_cannot_lead_out(void **state) {
    const char *cache = *state;
    const struct hub_options options = in_cache(cache);
    make_folders(cache, "models--o--n/snapshots");
    make_folders(cache, "models--o--n/refs");
    make_folders(cache, "secret");
    static const char *const REFS[] = {
        "",      "\n",    "../../secret", "..",   ".",       "/",       "a/b",
        "a b\\", "a\x01", "-x",           "feed", FIRST "0", " " FIRST, SECOND " " FIRST};
    for (size_t i = 0; i < sizeof REFS / sizeof REFS[0]; i++) {
        write_text(in_folder(cache, "models--o--n/refs/main"), REFS[i]);
        assert_not_found("o/n", &options, "does not hold the name of a commit");
    }
    char much[5000];
    memset(much, 'a', sizeof much);
    write_bytes(in_folder(cache, "models--o--n/refs/main"), much, sizeof much);
    assert_not_found("o/n", &options, "does not hold the name of a commit");
}

static void ids_are_held_to_the_hubs_alphabet(void **state) {
    (void)state;
    const struct hub_options options = in_cache("/nowhere");
    static const char *const BAD[] = {
        "",         "name",    "a/",         "/b",     "a/b/c",    "a//b",   "../b",   "a/..",
        "a/.b",     "a/b.",    "-a/b",       "a/b-",   "a--x/b",   "a/b--c", "a/b..c", "a/b c",
        "a/b\n",    "a/b%2",   "a/\xc3\xa4", "a/b@",   "a/b@../c", "a/b@x/", "a/b@/x", "a/b@x//y",
        "a/b@x/.y", "a/b@x y", "a@x/b",      "a/b@..", "~/model",  "./demo", "a/b@x~1"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_not_found(BAD[i], &options, "neither a folder nor an id");
    static const char *const GOOD[] = {"a/b",    "FireRedTeam/FireRed-Image-Edit-1.0",
                                       "_a/b_",  "a.b/c-d_e.f",
                                       "0/1@2",  "a/b@refs/pr/1",
                                       "a/b@c@d"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        assert_not_found(GOOD[i], &options, "is not on this machine");
    char name[103] = "a/";
    memset(name + 2, 'b', 97);
    assert_not_found(name, &options, "neither a folder nor an id");
    name[98] = '\0';
    assert_not_found(name, &options, "is not on this machine");
}

static void a_folder_is_taken_as_it_is(void **state) {
    const struct hub_options options = in_cache("/nowhere");
    make_folders(*state, "some/folder");
    assert_int_equal(chdir(*state), 0);
    assert_found(in_folder(*state, "some/folder"), &options, *state, "some/folder");
    char *found;
    struct error err;
    assert_int_equal(hub_find_model(&found, "some/folder", &options, &err), STATUS_OK);
    assert_string_equal(found, "some/folder");
    free(found);
    write_text(in_folder(*state, "some/file"), "");
    assert_not_found(in_folder(*state, "some/file"), &options, "neither a folder nor an id");
    assert_int_equal(chdir("/"), 0);
}

static void without_a_cache_a_folder_is_found_and_an_id_is_not(void **state) {
    const struct hub_options options = in_cache(NULL);
    make_folders(*state, "some/folder");
    assert_found(in_folder(*state, "some/folder"), &options, *state, "some/folder");
    assert_not_found("a/b", &options, "no cache for models: set HF_HUB_CACHE, HF_HOME or HOME");
}

static void assert_demo(const char *program, const char *folder) {
    char *found = NULL;
    struct error err = {""};
    enum status s = hub_find_demo(&found, program, &err);
    if (folder ? s != STATUS_OK || strcmp(found, folder) != 0 : s != STATUS_INVALID || found)
        fail_msg("%s: %d %s %s", program, s, found ? found : "nothing", err.text);
    free(found);
}

static void the_demo_is_found_from_the_program(void **state) {
    const char *base = *state;
    char expected[4096], program[4096];
    make_folders(base, "prefix/bin");
    make_folders(base, "prefix/share/firered/models/demo");
    make_folders(base, "tree/build/release");
    make_folders(base, "tree/models/demo");
    make_folders(base, "elsewhere/models/demo");
    assert_int_equal(chdir(in_folder(base, "prefix")), 0);

    snprintf(program, sizeof program, "%s/prefix/bin/firered", base);
    assert_demo(program, NULL); /* a folder without a model */
    write_text(in_folder(base, "prefix/share/firered/models/demo/model_index.json"), "{}");
    snprintf(expected, sizeof expected, "%s/prefix/bin/../share/firered/models/demo", base);
    assert_demo(program, expected);

    write_text(in_folder(base, "tree/models/demo/model_index.json"), "{}");
    snprintf(program, sizeof program, "%s/tree/build/release/firered", base);
    snprintf(expected, sizeof expected, "%s/tree/build/release/../../models/demo", base);
    assert_demo(program, expected);

    write_text(in_folder(base, "elsewhere/models/demo/model_index.json"), "{}");
    assert_int_equal(chdir(in_folder(base, "elsewhere")), 0);
    assert_demo("/usr/bin/firered", "models/demo");
    assert_demo("firered", "models/demo");

    const struct hub_options options = in_cache("/nowhere");
    assert_found("demo", &options, "models", "demo"); /* the test itself is in no installation */
    assert_int_equal(chdir("/"), 0);
    assert_not_found("demo", &options, "the demo model is neither in");
}

/* What people paste in place of an id. */
static void addresses_and_quotes_are_told_the_id(void **state) {
    const struct hub_options options = in_cache(*state);
    static const char *const ids[][2] = {
        {"https://huggingface.co/Org/Name-1.0", "; its id is Org/Name-1.0"},
        {"https://huggingface.co/Org/Name-1.0/", "; its id is Org/Name-1.0"},
        {"http://mirror.example/Org/Name-1.0?x=1", "; its id is Org/Name-1.0"},
        {"huggingface.co/Org/Name-1.0/tree/main", "; its id is Org/Name-1.0"},
        {"hf.co/Org/Name-1.0/tree/v2/vae", "; its id is Org/Name-1.0@v2"},
        {"https://huggingface.co/Org/Name/blob/main/a.json#L1", "; its id is Org/Name"},
        {"\"/models/a b\"", "; leave the quotation marks away: /models/a b"},
        {"'Org/Name'", "; leave the quotation marks away: Org/Name"},
        {"https://huggingface.co/", "of the form ORG/NAME[@REV]"},
        {"https://huggingface.co/models", "of the form ORG/NAME[@REV]"},
        {"\"", "of the form ORG/NAME[@REV]"},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char *found;
        struct error err = {""};
        assert_int_equal(hub_find_model(&found, ids[i][0], &options, &err), STATUS_INVALID);
        const char *end = err.text + strlen(err.text) - strlen(ids[i][1]);
        assert_string_equal(end, ids[i][1]);
    }
    char *found;
    struct error err = {""};
    assert_int_equal(
        hub_find_file(&found,
                      "https://huggingface.co/Org/N/resolve/main/l/a.safetensors?download=true",
                      &options, &err),
        STATUS_INVALID);
    assert_non_null(strstr(err.text, "[@REV]; its id is Org/N/l/a.safetensors"));
    assert_null(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(snapshots_are_found_by_their_ref, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(addresses_and_quotes_are_told_the_id, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(refs_cannot_lead_out, folder_set_up, folder_tear_down),
        cmocka_unit_test(ids_are_held_to_the_hubs_alphabet),
        cmocka_unit_test_setup_teardown(a_folder_is_taken_as_it_is, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(without_a_cache_a_folder_is_found_and_an_id_is_not,
                                        folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(the_demo_is_found_from_the_program, folder_set_up,
                                        folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
