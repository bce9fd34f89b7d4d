/* Which paths are a route's, and what stood for its id. */
#include "support/unit_test.h"

#include "http/path.h"

#define FIFTY "12345678901234567890123456789012345678901234567890"
#define LONG  FIFTY FIFTY FIFTY FIFTY FIFTY "12345" /* ID_IN_PATH_ROOM - 1 */

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
        {"/v1/jobs/{id}", "/v1/jobs/" LONG, LONG},
        {"/v1/jobs/{id}", "/v1/jobs/" LONG "6", NULL},
        {"/v1/models/{rest}", "/v1/models/a", "a"},
        {"/v1/models/{rest}", "/v1/models/a/b/", "a/b/"},
        {"/v1/models/{rest}", "/v1/models/", NULL},
        {"/v1/models/{rest}", "/v1/models", NULL},
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
