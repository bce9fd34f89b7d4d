/*
 * Every allocation of an open fails once: the answer is STATUS_NO_MEMORY, nothing leaks (the
 * address sanitizer looks), and the next open is as good as ever.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hub/find.h"
#include "model/lora.h"
#include "support/failing_malloc.h"
#include "support/files.h"
#include "weights/weights.h"

typedef enum status (*attempt)(const void *what, struct error *err);

/* Calls `try` with the first, second, ... allocation failing, until it asks for no more; returns
 * how often. */
static long count_failures(attempt try, const void *what, bool jansson) {
    malloc_count_jansson(jansson);
    for (long n = 1; n < 1000000; n++) {
        struct error err = {""};
        malloc_fail_at(n);
        enum status s = try(what, &err);
        bool failed = malloc_has_failed();
        malloc_fail_no_more();
        if (!failed) {
            assert_int_equal(s, STATUS_OK);
            return n - 1;
        }
        /* jansson's lexer overlooks some of its own failures and goes on with a character less,
         * which then is a file that breaks a rule: the reason may be wrong, the refusal is right.
         */
        if (!*err.text || (s != STATUS_NO_MEMORY && !(jansson && s == STATUS_INVALID)))
            fail_msg("allocation %ld: status %d, \"%s\"", n, s, err.text);
    }
    fail_msg("it never comes to an end");
    return 0;
}

static void fail_each_allocation(attempt try, const void *what, long min) {
    assert_true(count_failures(try, what, false) >= min);
    count_failures(try, what, true);
}

static enum status try_folder(const void *folder, struct error *err) {
    struct weights *w;
    enum status s = weights_open(&w, folder, "m", err);
    assert_true((s == STATUS_OK) == (w != NULL));
    weights_close(w);
    return s;
}

static enum status try_file(const void *path, struct error *err) {
    struct weights *w;
    enum status s = weights_open_file(&w, path, err);
    assert_true((s == STATUS_OK) == (w != NULL));
    weights_close(w);
    return s;
}

#define COMMIT "c0ffee0000000000000000000000000000000000"

static struct hub_options hub;

static enum status try_hub(const void *id, struct error *err) {
    char *folder;
    enum status s = hub_find_model(&folder, id, &hub, err);
    assert_true((s == STATUS_OK) == (folder != NULL));
    free(folder);
    return s;
}

static enum status try_lora(const void *path, struct error *err) {
    struct lora *l;
    float weight[4] = {0};
    enum status s = lora_open(&l, path, 1.0, err);
    assert_true((s == STATUS_OK) == (l != NULL));
    if (s == STATUS_OK) s = lora_merge(l, "m.x", weight, 2, 2, err);
    assert_true((weight[3] != 0) == (s == STATUS_OK));
    if (s != STATUS_OK)
        assert_true(weight[0] == 0 && weight[1] == 0 && weight[2] == 0 && weight[3] == 0);
    struct layer_list layers = {0};
    if (s == STATUS_OK) s = layer_list_add(&layers, "m.x", 2, 2, err);
    if (s == STATUS_OK) s = lora_check(l, &layers, err);
    layer_list_free(&layers);
    lora_close(l);
    return s;
}

static void weights_survive(void **state) {
    const float numbers[2] = {1, 2};
    write_tensors(in_folder(*state, "a.safetensors"),
                  &(struct tensor_spec){"x", "F32", 1, {2}, numbers, 8}, 1);
    write_tensors(in_folder(*state, "b.safetensors"),
                  &(struct tensor_spec){"y", "F32", 1, {2}, numbers, 8}, 1);
    write_text(in_folder(*state, "m.safetensors.index.json"),
               "{\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"b.safetensors\"}}");
    fail_each_allocation(try_folder, *state, 12);
    fail_each_allocation(try_file, in_folder(*state, "a.safetensors"), 6);
}

static void hub_survives(void **state) {
    hub.cache = *state;
    assert_int_equal(mkdir(in_folder(*state, "models--o--n"), 0700), 0);
    assert_int_equal(mkdir(in_folder(*state, "models--o--n/refs"), 0700), 0);
    assert_int_equal(mkdir(in_folder(*state, "models--o--n/snapshots"), 0700), 0);
    assert_int_equal(mkdir(in_folder(*state, "models--o--n/snapshots/" COMMIT), 0700), 0);
    write_text(in_folder(*state, "models--o--n/refs/main"), COMMIT);
    fail_each_allocation(try_hub, "o/n", 3);
    fail_each_allocation(try_hub, *state, 1);
}

static void lora_survives(void **state) {
    const float numbers[2] = {1, 2};
    const struct tensor_spec tensors[] = {{"m.x.lora_A.weight", "F32", 2, {1, 2}, numbers, 8},
                                          {"m.x.lora_B.weight", "F32", 2, {2, 1}, numbers, 8}};
    write_tensors(in_folder(*state, "lora"), tensors, 2);
    fail_each_allocation(try_lora, in_folder(*state, "lora"), 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_survive, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(hub_survives, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(lora_survives, folder_set_up, folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
