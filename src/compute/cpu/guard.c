/*
 * One range of addresses, far larger than what is used of it, and a list of the pieces that were
 * given, by address; a new piece goes into the first gap.  Released pages go back to the kernel.
 */
#include "compute/cpu/guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t RANGE = (size_t)1 << 36;
enum { PAGE = 4096 };

struct piece {
    struct piece *next;
    size_t from, size; /* in the range */
};

struct guard {
    int file;
    char *closed, *open; /* the two mappings */
    pthread_mutex_t mutex;
    struct piece *pieces;
};

static char *map(int file, int protection) {
    void *memory = mmap(NULL, RANGE, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

enum status guard_create(struct guard **out, struct error *err) {
    *out = NULL;
    struct guard *g = calloc(1, sizeof *g);
    if (!g) return fail(err, STATUS_NO_MEMORY, "no memory to start");
    pthread_mutex_init(&g->mutex, NULL);
    g->file = memfd_create("firered-guard", MFD_CLOEXEC);
    if (g->file >= 0 && ftruncate(g->file, (off_t)RANGE) == 0) {
        g->closed = map(g->file, PROT_NONE);
        g->open = map(g->file, PROT_READ | PROT_WRITE);
    }
    if (!g->closed || !g->open) {
        guard_destroy(g);
        return fail(err, STATUS_NO_MEMORY, "FIRERED_GUARD found no room for its mappings");
    }
    *out = g;
    return STATUS_OK;
}

void guard_destroy(struct guard *g) {
    if (!g) return;
    for (struct piece *p = g->pieces, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (g->closed) munmap(g->closed, RANGE);
    if (g->open) munmap(g->open, RANGE);
    if (g->file >= 0) close(g->file);
    pthread_mutex_destroy(&g->mutex);
    free(g);
}

uint64_t guard_entry(const struct guard *g) {
    return (uint64_t)(uintptr_t)g->open - (uint64_t)(uintptr_t)g->closed;
}

/* Puts p into the first gap that holds it. */
static bool place(struct guard *g, struct piece *p) {
    struct piece **at = &g->pieces;
    while (*at && (*at)->from - p->from < p->size) {
        p->from = (*at)->from + (*at)->size;
        at = &(*at)->next;
    }
    if (p->size > RANGE - p->from) return false;
    p->next = *at;
    *at = p;
    return true;
}

uint64_t guard_allocate(struct guard *g, size_t bytes) {
    if (bytes > RANGE - PAGE) return 0;
    struct piece *p = calloc(1, sizeof *p);
    if (!p) return 0;
    p->size = (bytes + PAGE) / PAGE * PAGE; /* at least a byte more: nothing is at its end */
    pthread_mutex_lock(&g->mutex);
    bool placed = place(g, p);
    pthread_mutex_unlock(&g->mutex);
    if (!placed) {
        free(p);
        return 0;
    }
    memset(g->open + p->from, 0xff, p->size);
    return (uint64_t)(uintptr_t)g->closed + p->from;
}

void guard_release(struct guard *g, uint64_t address) {
    size_t from = (size_t)(address - (uint64_t)(uintptr_t)g->closed);
    pthread_mutex_lock(&g->mutex);
    struct piece **at = &g->pieces;
    while ((*at)->from != from) at = &(*at)->next;
    struct piece *p = *at;
    fallocate(g->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)p->size);
    *at = p->next;
    pthread_mutex_unlock(&g->mutex);
    free(p);
}
