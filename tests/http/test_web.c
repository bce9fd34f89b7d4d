/* The page's files: what they are, how long a browser may keep them, what the page may do. */
#include "support/unit_test.h"

#include <ftw.h>
#include <sys/stat.h>

#include "http/harness.h"
#include "support/files.h"

static struct server_process server;

static const struct {
    const char *path, *type, *source;
} files[] = {
    {"/", "text/html; charset=utf-8", "index.html"},
    {"/app.css", "text/css; charset=utf-8", "app.css"},
    {"/app.js", "text/javascript; charset=utf-8", "app.js"},
    {"/favicon.svg", "image/svg+xml", "favicon.svg"},
    {"/page/api.js", "text/javascript; charset=utf-8", "page/api.js"},
    {"/page/dom.js", "text/javascript; charset=utf-8", "page/dom.js"},
    {"/page/history.js", "text/javascript; charset=utf-8", "page/history.js"},
    {"/page/job.js", "text/javascript; charset=utf-8", "page/job.js"},
    {"/page/key.js", "text/javascript; charset=utf-8", "page/key.js"},
    {"/page/pictures.js", "text/javascript; charset=utf-8", "page/pictures.js"},
    {"/page/settings.js", "text/javascript; charset=utf-8", "page/settings.js"},
    {"/page/viewer.js", "text/javascript; charset=utf-8", "page/viewer.js"},
};
enum { FILES = sizeof files / sizeof *files, MAX_BYTES = 60000 };

static void test_files(void **state) {
    (void)state;
    for (int i = 0; i < FILES; i++) {
        struct answer a, head;
        struct buffer source = read_bytes(in_folder(WEB_SOURCES, files[i].source));
        http_get(&server, files[i].path, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Content-Type"), files[i].type);
        assert_string_equal(answer_header(&a, "Cache-Control"), "no-cache");
        assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
        assert_string_equal(answer_header(&a, "Referrer-Policy"), "no-referrer");
        assert_non_null(answer_header(&a, "X-Request-ID"));
        assert_int_equal(a.body.size, source.size);
        assert_memory_equal(a.body.data, source.data, source.size);
        http_request(&server, "HEAD", files[i].path, NULL, NULL, 0, &head);
        assert_int_equal(head.status, 200);
        assert_string_equal(answer_header(&head, "ETag"), answer_header(&a, "ETag"));
        answer_free(&head);
        answer_free(&a);
        buffer_free(&source);
    }
}

/* The policy is the last wall should a picture's name or a model's prompt ever become markup. */
static void test_policy(void **state) {
    (void)state;
    struct answer a;
    http_get(&server, "/", &a);
    const char *policy = answer_header(&a, "Content-Security-Policy");
    assert_memory_equal(policy, "default-src 'none';", 19);
    static const char *const parts[] = {
        "script-src 'self'", "style-src 'self'",       "img-src 'self' blob:", "connect-src 'self'",
        "base-uri 'none'",   "frame-ancestors 'none'", "form-action 'self'"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(policy, parts[i]));
    static const char *const holes[] = {"unsafe", "data:", "*", "http"};
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
        if (strstr(policy, holes[i])) fail_msg("the policy allows %s", holes[i]);
    answer_free(&a);
}

static void test_kept_while_the_same(void **state) {
    (void)state;
    struct answer a, again;
    char header[200];
    http_get(&server, "/app.js", &a);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", answer_header(&a, "ETag"));
    http_request(&server, "GET", "/app.js", header, NULL, 0, &again);
    assert_int_equal(again.status, 304);
    assert_int_equal(again.body.size, 0);
    assert_string_equal(answer_header(&again, "ETag"), answer_header(&a, "ETag"));
    answer_free(&again);
    http_request(&server, "GET", "/app.css", header, NULL, 0, &again);
    assert_int_equal(again.status, 200);
    answer_free(&again);
    http_request(&server, "GET", "/app.js", "If-None-Match: \"an older one\"\r\n", NULL, 0, &again);
    assert_int_equal(again.status, 200);
    answer_free(&again);
    answer_free(&a);
}

static void test_methods(void **state) {
    (void)state;
    for (int i = 0; i < FILES; i++) {
        struct answer a;
        http_request(&server, "POST", files[i].path, NULL, "body", 4, &a);
        assert_error(&a, 405, "method_not_allowed");
        assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, OPTIONS");
        answer_free(&a);
    }
}

/* The page asks for the key itself, so it has to come without one. */
static void test_open_without_a_key(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, (const char *[]){"API_KEY=sesame", NULL});
    for (int i = 0; i < FILES; i++) {
        struct answer a;
        http_get(&s, files[i].path, &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    assert_int_equal(server_stop(&s, 15), 0);
}

static size_t source_bytes;
static int source_count;

static int weigh(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)path;
    (void)ftw;
    if (type == FTW_F) source_bytes += (size_t)s->st_size;
    if (type == FTW_F) source_count++;
    return 0;
}

static void test_all_of_it_and_small(void **state) {
    (void)state;
    source_bytes = 0, source_count = 0;
    assert_int_equal(nftw(WEB_SOURCES, weigh, 8, FTW_PHYS), 0);
    assert_int_equal(source_count, FILES);
    if (source_bytes >= MAX_BYTES)
        fail_msg("the page has %zu bytes; at most %d are wanted", source_bytes, MAX_BYTES);
}

/* Nothing is loaded from elsewhere, and nothing is written into the page that the policy forbids. */
static void test_nothing_from_elsewhere(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "http:",      "https:",      "src=\"//",  "style=", "<style",
        "onclick=\"", "javascript:", "innerHTML", "eval(",  "@import"};
    for (int i = 0; i < FILES; i++) {
        struct buffer source = read_bytes(in_folder(WEB_SOURCES, files[i].source));
        char *text = source.data, *name = strstr(text, "xmlns=\"http:");
        if (name) memset(name, ' ', strlen("xmlns=\"http:")); /* a name, not an address */
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
            if (strstr(text, wrong[w])) fail_msg("%s has %s", files[i].source, wrong[w]);
        buffer_free(&source);
    }
}

/* So that it works below a proxy's prefix, which it need not know. */
static void test_every_address_is_relative(void **state) {
    (void)state;
    static const char *const absolute[] = {"href=\"/",   "src=\"/",  "action=\"/", "request(\"/",
                                           "request(`/", "post(\"/", "post(`/",    "fetch(\"/",
                                           "url(/",      "from \"/", "import \"/"};
    for (int i = 0; i <= FILES; i++) {
        struct answer a;
        const char *path = i < FILES ? files[i].path : "/docs";
        http_get(&server, path, &a);
        assert_int_equal(a.status, 200);
        for (size_t k = 0; k < sizeof absolute / sizeof *absolute; k++)
            if (strstr(a.body.data, absolute[k])) fail_msg("%s has %s", path, absolute[k]);
        answer_free(&a);
    }
}

static int enter(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    return 0;
}

static int leave(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_kept_while_the_same),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_open_without_a_key),
        cmocka_unit_test(test_all_of_it_and_small),
        cmocka_unit_test(test_nothing_from_elsewhere),
        cmocka_unit_test(test_every_address_is_relative),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
