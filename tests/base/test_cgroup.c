/*
 * Control groups as they are found on machines: version 2, version 1, both side by side, inside a
 * container; each as a folder that looks like the system's.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "support/files.h"

static char *root;

static int enter(void **state) {
    (void)state;
    root = temporary_folder();
    return 0;
}

static int leave(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

/* Makes the file and the folders that it is in. */
static void put(const char *path, const char *text) {
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    write_text(full, text);
}

static void put_memory(const char *folder, const char *limit, const char *used, const char *stat,
                       bool v2) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    put(path, limit);
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.current" : "memory.usage_in_bytes");
    put(path, used);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    put(path, stat);
}

static void test_nothing(void **state) {
    (void)state;
    assert_true(cgroup_memory_left(root) == UINT64_MAX);
    assert_true(isinf(cgroup_processors(root)));
    put("proc/self/cgroup", "0::/\nnonsense\n:\n1:\n2:cpu\n");
    assert_true(cgroup_memory_left(root) == UINT64_MAX);
    assert_true(isinf(cgroup_processors(root)));
}

static void test_version_2(void **state) {
    (void)state;
    put("proc/self/cgroup", "0::/slice/service\n");
    put_memory("sys/fs/cgroup/slice/service", "max\n", "500\n", "anon 400\n", true);
    put("sys/fs/cgroup/slice/service/cpu.max", "max 100000\n");
    assert_true(cgroup_memory_left(root) == UINT64_MAX);
    assert_true(isinf(cgroup_processors(root)));
    /* The parent's limit holds; what it has of files does not count against it. */
    put_memory("sys/fs/cgroup/slice", "1000\n", "700\n",
               "anon 400\nfile 300\ninactive_file 90\nactive_file 7\nworkingset_refault_file 5\n",
               true);
    put("sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
    assert_int_equal(cgroup_memory_left(root), 1000 - (700 - 97));
    assert_true(cgroup_processors(root) == 1.5);
    put_memory("sys/fs/cgroup/slice/service", "600\n", "500\n", "anon 400\n", true);
    put("sys/fs/cgroup/slice/service/cpu.max", "50000 100000\n");
    assert_int_equal(cgroup_memory_left(root), 100);
    assert_true(cgroup_processors(root) == 0.5);
    put_memory("sys/fs/cgroup/slice/service", "600\n", "800\n", "inactive_file 10\n", true);
    assert_int_equal(cgroup_memory_left(root), 0);
}

static void test_version_1(void **state) {
    (void)state;
    put("proc/self/cgroup", "4:memory:/a/b\n3:cpuset:/a\n2:cpu,cpuacct:/a\n1:name=systemd:/\n");
    put_memory("sys/fs/cgroup/memory/a/b", "9223372036854771712\n", "300\n", "", false);
    put_memory("sys/fs/cgroup/memory/a", "1000\n", "300\n",
               "inactive_file 1\nactive_file 1\ntotal_inactive_file 20\ntotal_active_file 30\n",
               false);
    assert_int_equal(cgroup_memory_left(root), 750);
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    assert_true(isinf(cgroup_processors(root)));
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    assert_true(cgroup_processors(root) == 2.5);
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "0\n");
    assert_true(isinf(cgroup_processors(root)));
}

/* A list of controllers is no longer name: "cpuset" is not "cpu". */
static void test_other_controllers(void **state) {
    (void)state;
    put("proc/self/cgroup", "3:cpuset:/a\n");
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_period_us", "100000\n");
    assert_true(isinf(cgroup_processors(root)));
}

static void test_both_versions(void **state) {
    (void)state;
    put("proc/self/cgroup", "5:memory:/m\n0::/u\n");
    put_memory("sys/fs/cgroup/memory/m", "1000\n", "400\n", "", false);
    put("sys/fs/cgroup/unified/u/cpu.max", "300000 100000\n");
    assert_int_equal(cgroup_memory_left(root), 600);
    assert_true(cgroup_processors(root) == 3);
}

/* Inside a container the group's path is the host's, and the group itself is the root. */
static void test_container(void **state) {
    (void)state;
    put("proc/self/cgroup", "4:memory:/docker/0123abcd\n2:cpu:/docker/0123abcd\n0::/docker/0123\n");
    put_memory("sys/fs/cgroup/memory", "2000\n", "500\n", "", false);
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cgroup_memory_left(root), 1500);
    assert_true(cgroup_processors(root) == 4);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {TEST(test_nothing),       TEST(test_version_2),
                                       TEST(test_version_1),     TEST(test_other_controllers),
                                       TEST(test_both_versions), TEST(test_container)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
