/* Which paths are a route's, and what stood for its id. */
#include "support/unit_test.h"

#include "http/path.h"

static void test_matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path, *id; /* id NULL: no match */
    } cases[] = {
        {"/edit", "/edit", ""},
        {"/edit", "/edit/", NULL},
        {"/edit", "/edi", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc", "abc"},
        {"/v1/jobs/{id}", "/v1/jobs/{id}", "{id}"},
        {"/v1/jobs/{id}", "/v1/jobs/", NULL},
        {"/v1/jobs/{id}", "/v1/jobs", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc/", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc/events", NULL},
        {"/v1/jobs/{id}", "/v2/jobs/abc", NULL},
        {"/v1/jobs/{id}", "", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/events", "abc"},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/event", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/events/", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs//events", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/events", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/123456789012345678901234567890123456789",
         "123456789012345678901234567890123456789"},
        {"/v1/jobs/{id}", "/v1/jobs/1234567890123456789012345678901234567890", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[ID_IN_PATH_ROOM] = "";
        bool matches = path_matches(cases[i].pattern, cases[i].path, id);
        if (matches != (cases[i].id != NULL))
            fail_msg("%s and %s: %d", cases[i].pattern, cases[i].path, matches);
        if (matches) assert_string_equal(id, cases[i].id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
