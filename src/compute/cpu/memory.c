/*
 * Device memory on the CPU: the process's own.  Large blocks come straight from the kernel and go
 * straight back, so that a finished edit's memory is free at once.  With the guard (guard.h) all
 * comes from there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "compute/cpu/cpu.h"

enum { MAP_FROM = 1 << 20 };

/* On a cache line's boundary; NULL when there is none. */
static void *allocate_plain(size_t bytes) {
    if (bytes < MAP_FROM) {
        void *memory = NULL;
        return posix_memalign(&memory, 64, bytes ? bytes : 64) == 0 ? memory : NULL;
    }
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void release_plain(void *memory, size_t bytes) {
    if (bytes < MAP_FROM)
        free(memory);
    else if (memory)
        munmap(memory, bytes);
}

uint64_t cpu_allocate(struct compute *c, size_t bytes) {
    struct guard *guard = cpu_of(c)->guard;
    return guard ? guard_allocate(guard, bytes) : (uintptr_t)allocate_plain(bytes);
}

void cpu_release(struct compute *c, uint64_t address, size_t bytes) {
    if (!cpu_of(c)->guard)
        release_plain(cpu_pointer(address), bytes);
    else if (address)
        guard_release(cpu_of(c)->guard, address);
}

/* What is left for everything else when a workspace takes all that it may. */
static const uint64_t SPARE_BYTES = 64 << 20;
enum { PAGE = 4096, TOUCH = 8 << 20 };

struct touching {
    char *memory;
    size_t bytes;
};

static void touch(void *arg, size_t i, int worker) {
    (void)worker;
    const struct touching *t = arg;
    size_t end = (i + 1) * TOUCH < t->bytes ? (i + 1) * TOUCH : t->bytes;
    for (size_t at = i * TOUCH; at < end; at += PAGE) t->memory[at] = 0;
}

/* The kernel grants memory that it does not have and kills who then touches it.  So: ask what
 * there is, take it, and touch it at once, before another edit asks.  The pages would be touched
 * anyway, only later. */
static void *reserve_plain(struct cpu *cpu, size_t bytes) {
    if (bytes < MAP_FROM) return allocate_plain(bytes);
    pthread_mutex_lock(&cpu->reserving);
    uint64_t available = memory_available();
    bool fits = available > SPARE_BYTES && bytes < available - SPARE_BYTES;
    struct touching t = {fits ? allocate_plain(bytes) : NULL, bytes};
    if (t.memory) pool_run(cpu->pool, (bytes + TOUCH - 1) / TOUCH, touch, &t);
    pthread_mutex_unlock(&cpu->reserving);
    return t.memory;
}

uint64_t cpu_reserve(struct compute *c, size_t bytes) {
    struct cpu *cpu = cpu_of(c);
    return cpu->guard ? guard_allocate(cpu->guard, bytes) : (uintptr_t)reserve_plain(cpu, bytes);
}

void *cpu_reserve_host(struct compute *c, size_t bytes) {
    return reserve_plain(cpu_of(c), bytes);
}

void cpu_release_host(struct compute *c, void *memory, size_t bytes) {
    (void)c;
    release_plain(memory, bytes);
}

void cpu_device_memory(const struct compute *c, struct device_memory *out) {
    (void)c;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    out->free = memory_available();
    out->total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    out->spare = SPARE_BYTES;
}

void *cpu_memory(const struct compute *c, uint64_t address) {
    return address ? cpu_pointer(address + c->entry) : NULL;
}

uint64_t cpu_address(const struct compute *c, const void *memory) {
    return memory ? (uint64_t)(uintptr_t)memory - c->entry : 0;
}

void cpu_spoil(struct compute *c, uint64_t address, size_t bytes) {
    memset(cpu_memory(c, address), 0xff, bytes);
}
