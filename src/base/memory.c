#include "base/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t system_available(void) {
    FILE *f = fopen("/proc/meminfo", "r");
    uint64_t kilobytes = 0;
    bool found = false;
    char line[256];
    while (f && !found && fgets(line, sizeof line, f)) found = sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1;
    if (f) fclose(f);
    return found ? kilobytes * 1024 : UINT64_MAX;
}

/* A file that holds one number, or "max". */
static bool read_number(const char *folder, const char *file, uint64_t *out) {
    char path[4096 + 64];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", folder, file);
    FILE *f = fopen(path, "r");
    bool good = f && fscanf(f, "%" SCNu64, out) == 1;
    if (f) fclose(f);
    return good;
}

/* What the kernel would give back first: pages of files. */
static uint64_t reclaimable(const char *folder) {
    char path[4096 + 64], key[64];
    uint64_t value, files = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.stat", folder);
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%63s %" SCNu64, key, &value) == 2)
        if (strcmp(key, "inactive_file") == 0 || strcmp(key, "active_file") == 0) files += value;
    if (f) fclose(f);
    return files;
}

static uint64_t left_in_group(const char *folder) {
    uint64_t limit, used;
    if (!read_number(folder, "memory.max", &limit) || !read_number(folder, "memory.current", &used)) return UINT64_MAX;
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
    for (char *end = folder + strlen(folder); end; end = strrchr(folder, '/')) { /* "/a/b", "/a", "" */
        *end = '\0';
        available = least(available, left_in_group(folder));
    }
    return available;
}
