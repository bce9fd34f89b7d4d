/*
 * /proc/self/cgroup has a line for every hierarchy that the process is in: "0::/path" for version
 * 2, "4:memory:/path" or "1:cpu,cpuacct:/path" for version 1.
 */
#include "base/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_CAPACITY = 4096 };

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The first line of FOLDER/FILE. */
static bool read_line(char line[128], const char *folder, const char *file) {
    char path[2 * PATH_CAPACITY];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "r");
    bool there = f && fgets(line, 128, f);
    if (f) fclose(f);
    return there;
}

/* A file that holds a number; false where it holds "max". */
static bool read_number(const char *folder, const char *file, uint64_t *out) {
    char line[128];
    char *end = line;
    if (!read_line(line, folder, file)) return false;
    uint64_t number = strtoull(line, &end, 10);
    if (end == line) return false;
    *out = number;
    return true;
}

/* The sum of two lines of a group's memory.stat. */
static uint64_t pages_of_files(const char *folder, const char *inactive, const char *active) {
    char path[2 * PATH_CAPACITY], line[256];
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        size_t key = strcspn(line, " ");
        if (strncmp(line, inactive, key) == 0 && !inactive[key])
            bytes += strtoull(line + key, NULL, 10);
        if (strncmp(line, active, key) == 0 && !active[key])
            bytes += strtoull(line + key, NULL, 10);
    }
    if (f) fclose(f);
    return bytes;
}

/* What one group leaves, of memory or of processors. */
struct left {
    uint64_t memory;
    double processors;
};

static void look_at_memory(struct left *left, const char *folder, bool v2) {
    uint64_t limit = 0, used = 0;
    if (!read_number(folder, v2 ? "memory.max" : "memory.limit_in_bytes", &limit) ||
        !read_number(folder, v2 ? "memory.current" : "memory.usage_in_bytes", &used))
        return;
    uint64_t files = v2 ? pages_of_files(folder, "inactive_file", "active_file")
                        : pages_of_files(folder, "total_inactive_file", "total_active_file");
    uint64_t held = used - smaller(used, files);
    left->memory = smaller(left->memory, limit > held ? limit - held : 0);
}

/* A quota that is not set reads "max", which is no number and 0 here, or -1.  Version 2 has quota and
 * period in one line. */
static void look_at_processors(struct left *left, const char *folder, bool v2) {
    char line[128];
    char *rest = line;
    if (!read_line(line, folder, v2 ? "cpu.max" : "cpu.cfs_quota_us")) return;
    double quota = strtod(line, &rest);
    if (!v2 && !read_line(line, folder, "cpu.cfs_period_us")) return;
    double period = strtod(v2 ? rest : line, NULL);
    if (quota > 0 && period > 0) left->processors = fmin(left->processors, quota / period);
}

/* From the group `path` of the hierarchy that is mounted at `mount` up to its root. */
static void look_upwards(struct left *left, const char *root, const char *mount, const char *path,
                         bool v2) {
    char folder[PATH_CAPACITY];
    int base = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup/%s", root, mount);
    int n = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup/%s%s", root, mount, path);
    if (n < 0 || n >= (int)sizeof folder) return;
    for (char *end = folder + n; end && end >= folder + base; end = strrchr(folder, '/')) {
        *end = '\0'; /* "/a/b", "/a", "" */
        look_at_memory(left, folder, v2);
        look_at_processors(left, folder, v2);
    }
}

static bool has_controller(const char *list, const char *name) {
    size_t n = strlen(name);
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strncmp(list, name, n) == 0 && (list[n] == ',' || !list[n])) return true;
    return false;
}

static struct left look_up(const char *root) {
    struct left left = {UINT64_MAX, INFINITY};
    char line[PATH_CAPACITY];
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        list++;
        if (!*list) {
            look_upwards(&left, root, "", path, true);
            look_upwards(&left, root, "unified", path, true); /* beside version 1 */
        } else if (has_controller(list, "memory") || has_controller(list, "cpu")) {
            look_upwards(&left, root, list, path, false);
        }
    }
    if (f) fclose(f);
    return left;
}

uint64_t cgroup_memory_left(const char *root) {
    return look_up(root).memory;
}

double cgroup_processors(const char *root) {
    return look_up(root).processors;
}
