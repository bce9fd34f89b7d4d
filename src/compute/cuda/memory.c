/*
 * A card's memory, and the host's that is pinned for it.  Where pinned memory cannot be had, ordinary
 * memory does the same work more slowly: all copies go by way of the ring, or wait.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "compute/cuda/cuda.h"

void cuda_memory(const struct compute *c, struct device_memory *out) {
    struct cuda *d = cuda_of(c);
    size_t free = d->planned, total = d->planned;
    if (d->driver && cuda_enter(d, NULL))
        cuda_ok(d, NULL, d->driver->memory_info(&free, &total), "the size of its memory");
    out->free = free;
    out->total = total;
}

uint64_t cuda_allocate(struct compute *c, size_t bytes) {
    struct cuda *d = cuda_of(c);
    cu_pointer memory = 0;
    if (!cuda_enter(d, NULL)) return 0;
    cu_result r = d->driver->alloc(&memory, bytes ? bytes : 1);
    if (r == CU_OUT_OF_MEMORY) return 0;
    return cuda_ok(d, NULL, r, "an allocation") ? memory : 0;
}

/* Weights may still be on their way when a model is given up; what workspaces asked for has ended
 * with them. */
void cuda_release(struct compute *c, uint64_t memory, size_t bytes) {
    (void)bytes;
    struct cuda *d = cuda_of(c);
    if (!memory || !cuda_enter(d, NULL)) return;
    if (cuda_ok(d, NULL, d->driver->stream_wait(d->loading.stream), "the end of loading"))
        cuda_ok(d, NULL, d->driver->free(memory), "giving memory back");
}

/* Before host memory: whose it is. */
struct host_piece {
    _Alignas(64) bool pinned;
};

void *cuda_reserve_host(struct compute *c, size_t bytes) {
    struct cuda *d = cuda_of(c);
    size_t size = sizeof(struct host_piece) + bytes;
    void *memory = NULL;
    if (!cuda_enter(d, NULL)) return NULL;
    cu_result r = d->driver->host_alloc(&memory, size, 0);
    if (r != CU_SUCCESS && r != CU_OUT_OF_MEMORY) {
        cuda_ok(d, NULL, r, "pinned memory");
        return NULL;
    }
    if (r != CU_SUCCESS && (size > memory_available() || posix_memalign(&memory, 64, size) != 0))
        return NULL;
    struct host_piece *piece = memory;
    piece->pinned = r == CU_SUCCESS;
    return piece + 1;
}

void cuda_release_host(struct compute *c, void *memory, size_t bytes) {
    (void)bytes;
    struct cuda *d = cuda_of(c);
    struct host_piece *piece = (struct host_piece *)memory - 1;
    if (!piece->pinned)
        free(piece);
    else if (cuda_enter(d, NULL))
        cuda_ok(d, NULL, d->driver->host_free(piece), "giving pinned memory back");
}
