/* The list: what is in it, in which order and seen from both ends, whatever is taken out. */
#include "support/unit_test.h"

#include "base/list.h"

enum { N = 4 };

struct member {
    int number;
    struct list_link link;
};

static void check(const struct list *list, const int *numbers, int count) {
    int i = 0;
    assert_int_equal(list->count, count);
    for (struct list_link *l = list->first; l; l = l->next, i++) {
        assert_true(i < count);
        assert_int_equal(CONTAINER_OF(l, struct member, link)->number, numbers[i]);
    }
    assert_int_equal(i, count);
    for (struct list_link *l = list->last; l; l = l->previous)
        assert_int_equal(CONTAINER_OF(l, struct member, link)->number, numbers[--i]);
    assert_int_equal(i, 0);
}

static void fill(struct list *list, struct member *members) {
    *list = (struct list){0};
    for (int i = 0; i < N; i++) {
        members[i].number = i;
        list_append(list, &members[i].link);
    }
}

static void test_appended_in_order(void **state) {
    (void)state;
    struct list list;
    struct member members[N];
    fill(&list, members);
    check(&list, (int[]){0, 1, 2, 3}, N);
}

static void test_remove_anywhere(void **state) {
    (void)state;
    static const int left[N][N - 1] = {{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}};
    for (int i = 0; i < N; i++) {
        struct list list;
        struct member members[N];
        fill(&list, members);
        list_remove(&list, &members[i].link);
        check(&list, left[i], N - 1);
        list_append(&list, &members[i].link);
        assert_ptr_equal(list.last, &members[i].link);
    }
}

static void test_emptied_and_used_again(void **state) {
    (void)state;
    struct list list, other = {0};
    struct member members[N];
    fill(&list, members);
    while (list.first) {
        struct list_link *link = list.first;
        list_remove(&list, link);
        assert_null(link->previous);
        assert_null(link->next);
        list_append(&other, link);
    }
    check(&list, NULL, 0);
    assert_null(list.last);
    check(&other, (int[]){0, 1, 2, 3}, N);
    list_remove(&other, other.last);
    check(&other, (int[]){0, 1, 2}, N - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appended_in_order),
        cmocka_unit_test(test_remove_anywhere),
        cmocka_unit_test(test_emptied_and_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
