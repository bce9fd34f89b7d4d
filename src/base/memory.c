#include "base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t system_available(void) {
    FILE *f = fopen("/proc/meminfo", "r");
    static const char key[] = "MemAvailable:";
    uint64_t available = UINT64_MAX;
    char line[256];
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, sizeof key - 1) == 0)
            available = strtoull(line + sizeof key - 1, NULL, 10) * 1024;
    if (f) fclose(f);
    return available;
}

/* A file that holds one number, or "max". */
static bool read_number(const char *folder, const char *file, uint64_t *out) {
    char path[4096 + 64];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", folder, file);
    FILE *f = fopen(path, "r");
    char line[64], *end = line;
    if (f && fgets(line, sizeof line, f)) *out = strtoull(line, &end, 10);
    if (f) fclose(f);
    return end != line;
}

/* What the kernel would give back first: pages of files. */
static uint64_t reclaimable(const char *folder) {
    char path[4096 + 64], line[256];
    uint64_t files = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.stat", folder);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        size_t key = strcspn(line, " ");
        if (strncmp(line, "inactive_file ", key + 1) == 0 ||
            strncmp(line, "active_file ", key + 1) == 0)
            files += strtoull(line + key, NULL, 10);
    }
    if (f) fclose(f);
    return files;
}

static uint64_t left_in_group(const char *folder) {
    uint64_t limit, used;
    if (!read_number(folder, "memory.max", &limit) || !read_number(folder, "memory.current", &used))
        return UINT64_MAX;
    uint64_t held = used - least(used, reclaimable(folder));
    return limit > held ? limit - held : 0;
}

uint64_t memory_available(void) {
    uint64_t available = system_available();
    char line[4096], folder[4096] = "";
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "0::", 3) == 0) snprintf(folder, sizeof folder, "%s", line + 3);
    if (f) fclose(f);
    folder[strcspn(folder, "\n")] = '\0';
    for (char *end = folder + strlen(folder); end;
         end = strrchr(folder, '/')) { /* "/a/b", "/a", "" */
        *end = '\0';
        available = least(available, left_in_group(folder));
    }
    return available;
}
