/*
 * Linux tells MemAvailable, an estimate that counts what the page cache can give back; the control
 * groups tell theirs.
 */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
