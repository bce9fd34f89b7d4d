/*
 * Linux tells MemAvailable, an estimate that counts what the page cache can give back; the control
 * groups tell theirs.
 */
#include "base/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cgroup.h"

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

uint64_t memory_available(void) {
    uint64_t system = system_available(), groups = cgroup_memory_left("");
    return system < groups ? system : groups;
}

static uint64_t left_of(int resource, uint64_t used) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

uint64_t memory_addresses_left(void) {
    char line[256] = "", *at = line;
    uint64_t fields[6] = {0}; /* all, resident, shared, program, 0, data and stack: in pages */
    long page = sysconf(_SC_PAGE_SIZE);
    FILE *f = fopen("/proc/self/statm", "r");
    bool read = f && fgets(line, sizeof line, f) && page > 0;
    if (f) fclose(f);
    if (!read) return UINT64_MAX;
    for (int i = 0; i < 6; i++) fields[i] = strtoull(at, &at, 10) * (uint64_t)page;
    uint64_t as = left_of(RLIMIT_AS, fields[0]), own = left_of(RLIMIT_DATA, fields[5]);
    return as < own ? as : own;
}
