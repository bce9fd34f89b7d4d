/*
 * The rules are a script that runs in the page and returns what is wrong; what the browser
 * computes for screen readers is asked for by protocol.
 */
#include "web/inspect.h"

#include <stdio.h>
#include <string.h>

#include "support/files.h"

/* Every control and picture has a name for who cannot see it, as the browser tells it. */
static void check_names(struct browser *b, const char *where) {
    static const char *const roles[] = {
        "button",   "link",  "textbox",     "spinbutton", "slider",
        "combobox", "image", "progressbar", "dialog",     "DisclosureTriangle"};
    json_t *tree = page_call(b, "Accessibility.getFullAXTree", NULL), *node;
    size_t i, named = 0;
    json_array_foreach(json_object_get(tree, "nodes"), i, node) {
        const char *role =
            json_string_value(json_object_get(json_object_get(node, "role"), "value"));
        const char *name =
            json_string_value(json_object_get(json_object_get(node, "name"), "value"));
        if (!role || json_is_true(json_object_get(node, "ignored"))) continue;
        for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
            if (strcmp(role, roles[r]) != 0) continue;
            if (!name || !*name) {
                char *text = json_dumps(node, 0);
                fail_msg("%s: a %s without a name: %s", where, role, text);
            }
            named++;
        }
    }
    assert_true(named > 3);
    json_decref(tree);
}

void page_inspect(struct browser *b, const char *name) {
    struct buffer rules = read_bytes(CHECKS);
    json_t *wrong = page_eval(b, rules.data), *one;
    size_t i;
    page_screenshot(b, name);
    json_array_foreach(wrong, i, one) print_error("%s: %s\n", name, json_string_value(one));
    assert_int_equal(json_array_size(wrong), 0);
    json_decref(wrong);
    buffer_free(&rules);
    check_names(b, name);
}
