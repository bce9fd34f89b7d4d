/*
 * Each fault that the stand-in knows, alone: what a pull makes of it.
 */
#include "support/unit_test.h"

#include "pull_scene.h"

#include <unistd.h>

#include "base/clock.h"

#define LARGE   "example/large"
#define WEIGHTS "weights.safetensors"
enum { LARGE_BYTES = 40 << 20, SEGMENT = 16 << 20 };

static int enter(void **state) {
    pull_scene_enter(state);
    /* Of two and a half segments. */
    pull_scene_make("large", WEIGHTS, LARGE_BYTES, 1);
    return 0;
}

struct fault {
    const char *rules;
    const char *says; /* NULL: the pull goes well */
    const char *note; /* what it notes; NULL: nothing is asked */
};

static void try_fault(const char *id, const struct fault *f) {
    char text[2000];
    snprintf(text, sizeof text, "%s", f->rules);
    hub_stub_rules(&scene.stub, text);
    if (f->says)
        pull_badly(id, f->says);
    else
        pull_well(id);
    if (f->note && !strstr(scene.notes, f->note))
        fail_msg("%s: \"%s\" is not in: %s", f->rules, f->note, scene.notes);
}

/* Every fault in a cache of its own. */
static void try_all(const char *id, const struct fault *faults, size_t count) {
    for (size_t i = 0; i < count; i++) {
        print_message("  %s\n", faults[i].rules);
        if (i) pull_scene_end(NULL);
        const struct hub_pull_request request = scene.request;
        if (i) pull_scene_reset(NULL);
        scene.request = request;
        int64_t began = clock_now();
        try_fault(id, &faults[i]);
        if (clock_seconds(began, clock_now()) > 60) fail_msg("%s took too long", faults[i].rules);
    }
}

#define TRY(id, faults) try_all(id, faults, sizeof faults / sizeof faults[0])
#define CDN(rest)       "[{'kind': 'cdn', " rest "}]"

static void bytes_on_the_way(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {CDN("'fault': 'cut', 'after': 300000"), NULL, NULL}, /* and on from there, each time */
        {CDN("'fault': 'cut', 'after': 0"), "cannot be fetched", NULL},
        {CDN("'fault': 'cut', 'after': 0, 'times': 3"), NULL, NULL},
        {CDN("'fault': 'cut', 'after': 70000, 'every': 2"), NULL, NULL},
        {CDN("'fault': 'reset', 'after': 2000000, 'times': 2"), NULL, NULL},
        {CDN("'fault': 'stall', 'after': 1000000, 'seconds': 30, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'drip', 'after': 3000000, 'rate': 200, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'refuse', 'times': 4"), NULL, NULL},
        {CDN("'fault': 'refuse'"), "no answer from http", NULL},
        {CDN("'fault': 'garbage', 'times': 1"), NULL, NULL},
        {CDN("'fault': 'garbage'"), "no answer from http", NULL},
        {CDN("'fault': 'status', 'code': 503, 'times': 2"), NULL, NULL},
        {CDN("'fault': 'status', 'code': 503"), "answers with status 503", NULL},
        {CDN("'fault': 'status', 'code': 429, 'retry_after': 1, 'times': 1"), NULL,
         "asks to wait for 1 s"},
        {CDN("'fault': 'status', 'code': 429, 'ratelimit': 1, 'times': 2"), NULL,
         "asks to wait for 1 s"},
        {CDN("'fault': 'chunked'"), NULL, NULL},
        {CDN("'fault': 'length', 'delta': 10, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'latency', 'seconds': 0.3, 'times': 3"), NULL, NULL},
        {CDN("'fault': 'html', 'times': 1"), NULL, NULL},
        {CDN("'fault': 'html'"), "bytes of it, the list", NULL},
    };
    TRY(TINY, faults);
}

static void bytes_that_are_wrong(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {CDN("'fault': 'flip', 'at': 1000, 'times': 1"), NULL, "came with a wrong hash"},
        {CDN("'path': '" VAE "', 'fault': 'flip', 'at': 1000"),
         "vae/diffusion_pytorch_model.safetensors came wrong twice", NULL},
        {CDN("'fault': 'zeros', 'from': 100000, 'times': 1"), NULL, "came with a wrong hash"},
        {CDN("'path': '" VAE "', 'fault': 'other'"), "came wrong twice", NULL},
        {CDN("'fault': 'short', 'by': 100, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'short', 'by': 100"), "bytes of it, the list", NULL},
        {CDN("'fault': 'long', 'by': 100, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'long', 'by': 100"), "bytes of it, the list", NULL},
        {"[{'kind': 'resolve-cache', 'fault': 'flip', 'times': 1}]", NULL, NULL},
        {"[{'kind': 'resolve-cache', 'path': 'model_index.json', 'fault': 'flip'}]",
         "model_index.json came wrong twice", NULL},
        {"[{'kind': 'resolve-cache', 'path': 'model_index.json', 'fault': 'short', 'by': 3}]",
         "model_index.json came wrong twice", NULL},
        {"[{'kind': 'resolve-cache', 'fault': 'gzip'}]", NULL, NULL},
        {"[{'kind': 'resolve-cache', 'fault': 'chunked'}]", NULL, NULL},
        {"[{'kind': 'resolve-cache', 'fault': 'cut', 'after': 100, 'times': 2}]", NULL, NULL},
        {"[{'kind': 'resolve-cache', 'fault': 'length', 'delta': 10, 'times': 1}]", NULL, NULL},
    };
    TRY(TINY, faults);
}

static void ranges(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {"[]", NULL, NULL},
        {CDN("'fault': 'cut', 'after': 3000000"), NULL, NULL},
        {CDN("'fault': 'ignore_range'"), NULL, NULL},
        {"[{'kind': 'cdn', 'fault': 'cut', 'after': 20000000, 'times': 1}, {'kind': 'cdn', "
         "'fault': "
         "'ignore_range'}]",
         NULL, NULL},
        {CDN("'fault': 'wrong_range', 'times': 2"), NULL, NULL},
        {CDN("'fault': 'wrong_range'"), "other bytes than it was asked for", NULL},
        {CDN("'fault': 'lying_range', 'times': 1"), NULL, "came with a wrong hash"},
        {CDN("'fault': 'lying_range'"), NULL, "came with a wrong hash"},
        {CDN("'fault': 'flip', 'at': 20000000, 'times': 1"), NULL, "came with a wrong hash"},
        {CDN("'fault': 'stall', 'after': 4000000, 'seconds': 30, 'times': 2"), NULL, NULL},
    };
    scene.request.file = WEIGHTS;
    TRY(LARGE, faults);
}

static void signatures(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {"[{'kind': 'resolve', 'fault': 'expires', 'seconds': -1, 'times': 1}]", NULL, NULL},
        {CDN("'fault': 'expired', 'times': 2"), NULL, NULL},
        {CDN("'fault': 'expired'"), "status 403: <?xml version=\"1.0\"?><Error><Code>AccessDenied",
         NULL},
        {CDN("'fault': 'need_token'"), "status 401: <?xml", NULL},
        {CDN("'fault': 'hops', 'count': 3"), NULL, NULL},
        {CDN("'fault': 'loop'"), "its server redirects more than 10 times", NULL},
        {CDN("'fault': 'redirect', 'to': 'ftp://x/'"), "redirects to what is no address", NULL},
        {CDN("'fault': 'status', 'code': 404, 'times': 1"), NULL, NULL},
        {CDN("'fault': 'status', 'code': 403, 'body': 'no \\u001b[31mranges', 'ranged': true"),
         NULL, NULL},
    };
    TRY(TINY, faults);
    assert_null(strchr(scene.notes, '\x1b'));
}

static void an_expired_url_is_asked_for_again(void **state) {
    (void)state;
    hub_stub_rules(&scene.stub,
                   "[{'kind': 'resolve', 'fault': 'expires', 'seconds': -1, 'times': 1}]");
    scene.request.file = VAE;
    pull_well(TINY);
    assert_int_equal(hub_stub_count(&scene.stub, "kind", "resolve", NULL), 2);
    assert_true(hub_stub_bytes(&scene.stub, NULL) < 3718700 + 1000);
}

#define HUB_SAYS(kind, rest) "[{'kind': '" kind "', " rest "}]"

static void lists(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {HUB_SAYS("tree", "'fault': 'status', 'code': 503, 'times': 2"), NULL, NULL},
        {HUB_SAYS("tree", "'fault': 'status', 'code': 503"), "status 503, also after 7 tries",
         NULL},
        {HUB_SAYS("tree", "'fault': 'status', 'code': 429, 'ratelimit': 1, 'times': 1"), NULL,
         "asks to wait for 1 s"},
        {HUB_SAYS("tree", "'fault': 'truncate'"), "does not answer like a hub", NULL},
        {HUB_SAYS("tree", "'fault': 'html'"), "does not answer like a hub", NULL},
        {HUB_SAYS("revision", "'fault': 'html'"), "does not answer like a hub", NULL},
        {HUB_SAYS("tree", "'fault': 'huge'"), "answers with more than it may", NULL},
        {HUB_SAYS("tree", "'fault': 'deep'"), "does not answer like a hub", NULL},
        {HUB_SAYS("tree", "'fault': 'pages'"), "more than 100 pages", NULL},
        {HUB_SAYS("tree", "'fault': 'same_next'"), "more than 100 pages", NULL},
        {HUB_SAYS("tree", "'fault': 'foreign_next'"), "leads to another server", NULL},
        {HUB_SAYS("tree", "'fault': 'names'"), NULL, "names or hashes that cannot be used"},
        {HUB_SAYS("tree", "'fault': 'cut', 'after': 50, 'times': 1"), NULL, NULL},
        {HUB_SAYS("revision", "'fault': 'refuse', 'times': 2"), NULL, NULL},
        {HUB_SAYS("revision", "'fault': 'garbage', 'times': 2"), NULL, NULL},
        {HUB_SAYS("revision", "'fault': 'reset', 'times': 2"), NULL, NULL},
        {HUB_SAYS("revision", "'fault': 'hops', 'count': 3"), NULL, NULL},
        {HUB_SAYS("revision", "'fault': 'loop'"), "redirects more than 10 times", NULL},
        {HUB_SAYS("revision", "'fault': 'redirect', 'to': 'https://example.org/'"),
         "sends on to https://example.org/", NULL},
        {"[{'fault': 'double', 'path': '" BIG "'}]", NULL, NULL},
        {"[{'fault': 'drop', 'path': 'transformer/config.json'}]", "has no transformer/config.json",
         NULL},
        {"[{'fault': 'tree_size', 'path': '" BIG "', 'delta': 5}]", "bytes, and serves it with",
         NULL},
        {"[{'fault': 'tree_size', 'path': 'model_index.json', 'delta': 5}]", "bytes", NULL},
        {"[{'fault': 'tree_oid', 'path': '" BIG "'}]", "with one hash, and serves it with another",
         NULL},
        {"[{'fault': 'tree_oid', 'path': '" BIG "', 'value': '../../x'}]", "has no " BIG, NULL},
    };
    TRY(TINY, faults);
}

static void what_the_hub_says_of_a_file(void **state) {
    (void)state;
    static const struct fault faults[] = {
        {HUB_SAYS("resolve", "'fault': 'status', 'code': 500, 'times': 3"), NULL, NULL},
        {HUB_SAYS("resolve", "'fault': 'etag', 'value': ''"), NULL, NULL},
        {HUB_SAYS("resolve", "'fault': 'etag', 'path': '" BIG "', 'value': '"
                             "00000000000000000000"
                             "00000000000000000000"
                             "000000000000000000000000'"),
         "with one hash, and serves it with another", NULL},
        {HUB_SAYS("resolve", "'fault': 'weak_etag'"), NULL, NULL},
        {HUB_SAYS("resolve", "'fault': 'linked_size', 'times': 1"), NULL, NULL},
        {HUB_SAYS("resolve", "'fault': 'linked_size', 'path': '" BIG "'"), "and serves it with",
         NULL},
        {HUB_SAYS("resolve", "'fault': 'no_commit'"), "sends no X-Repo-Commit", NULL},
        {HUB_SAYS("resolve",
                  "'fault': 'moved', 'commit': '1111111111111111111111111111111111111111'"),
         "of commit 11111111, not of", NULL},
        {HUB_SAYS("resolve", "'fault': 'hops', 'count': 3"), NULL, NULL},
        {HUB_SAYS("resolve", "'fault': 'hops', 'count': 11"), "redirects more than 10 times", NULL},
        {HUB_SAYS("resolve", "'fault': 'loop', 'path': '" BIG "'"), "redirects more than 10 times",
         NULL},
        {HUB_SAYS("resolve", "'fault': 'redirect', 'to': 'ftp://127.0.0.1/'"),
         "redirects to what is no address", NULL},
        {HUB_SAYS("resolve", "'fault': 'redirect', 'to': 'http://127.0.0.1:9/x'"), "no answer from",
         NULL},
        {HUB_SAYS("resolve", "'fault': 'html', 'times': 1"), NULL, NULL},
    };
    TRY(TINY, faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PULL_TEST(bytes_on_the_way),
        PULL_TEST(bytes_that_are_wrong),
        PULL_TEST(ranges),
        PULL_TEST(signatures),
        PULL_TEST(an_expired_url_is_asked_for_again),
        PULL_TEST(lists),
        PULL_TEST(what_the_hub_says_of_a_file),
    };
    return cmocka_run_group_tests(tests, enter, pull_scene_leave);
}
