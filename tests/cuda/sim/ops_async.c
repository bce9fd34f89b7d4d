/* Atomic operations, matrices out of shared memory, asynchronous copies. */
#include "ops_mem.h"

#include <stdlib.h>

/* ---- atomic operations -------------------------------------------------------------------- */

static u64 combine(u8 kind, u8 type, u64 old, u64 a, u64 b) {
    union {
        u32 u;
        f32 f;
    } x, y;
    union {
        u64 u;
        f64 f;
    } dx, dy;
    switch (kind) {
    case A_EXCH: return a;
    case A_CAS: return old == a ? b : old;
    case A_AND: return old & a;
    case A_OR: return old | a;
    case A_XOR: return old ^ a;
    case A_INC: return (u32)old >= (u32)a ? 0 : old + 1;
    case A_DEC: return (u32)old == 0 || (u32)old > (u32)a ? a : old - 1;
    case A_ADD:
        switch (type) {
        case T_F32: x.u = (u32)old, y.u = (u32)a, x.f += y.f; return x.u;
        case T_F64: dx.u = old, dy.u = a, dx.f += dy.f; return dx.u;
        case T_F16: return f32_to_f16(f16_to_f32((u16)old) + f16_to_f32((u16)a));
        case T_BF16: return f32_to_bf16(bf16_to_f32((u16)old) + bf16_to_f32((u16)a));
        case T_F16X2:
            return (u64)f32_to_f16(f16_to_f32((u16)(old >> 16)) + f16_to_f32((u16)(a >> 16)))
                       << 16 |
                   f32_to_f16(f16_to_f32((u16)old) + f16_to_f32((u16)a));
        case T_BF16X2:
            return (u64)f32_to_bf16(bf16_to_f32((u16)(old >> 16)) + bf16_to_f32((u16)(a >> 16)))
                       << 16 |
                   f32_to_bf16(bf16_to_f32((u16)old) + bf16_to_f32((u16)a));
        default: return old + a;
        }
    default: { /* minimum, maximum */
        bool less;
        switch (type) {
        case T_S32: less = (s32)a < (s32)old; break;
        case T_S64: less = (s64)a < (s64)old; break;
        case T_U32: less = (u32)a < (u32)old; break;
        default: less = a < old;
        }
        return less == (kind == A_MIN) ? a : old;
    }
    }
}

static void atomic_lane(struct warp *w, const struct insn *i, int l, u8 *p, int first) {
    static char locks[64];
    u64 a = 0, b = 0, old = 0, now;
    fetch(w, i, first, l, (u8 *)&a);
    if (i->kind == A_CAS) {
        fetch(w, i, first + 1, l, (u8 *)&b);
    }
    char *lock = &locks[(uintptr_t)p / 8 % 64];
    while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE)) {
    }
    memcpy(&old, p, i->width);
    now = combine(i->kind, i->sign, old, a, b);
    memcpy(p, &now, i->width);
    __atomic_clear(lock, __ATOMIC_RELEASE);
    if (i->nd) {
        struct insn plain = *i;
        plain.sign = 0;
        place(w, &plain, 0, l, (u8 *)&old);
    }
}

static void atomic_global(struct warp *w, const struct insn *i, u32 mask) {
    u64 a[LANES];
    addresses64(w, i, i->nd, a);
    lanes_global(w, i, mask, a, i->width);
    EACH(mask) {
        check_global_read(w, i, (int)l, a[l], i->width, true);
        check_global_write(w, i, (int)l, a[l], i->width, true);
        acquire_release(w, a[l]);
        atomic_lane(w, i, (int)l, device_host(a[l]), i->nd + 1);
    }
}

static void atomic_shared(struct warp *w, const struct insn *i, u32 mask) {
    u32 a[LANES];
    addresses32(w, i, i->nd, a);
    lanes_shared(w, i, mask, a, i->width);
    EACH(mask) {
        check_shared_write(w, i, (int)l, a[l], i->width, NULL, true);
        atomic_lane(w, i, (int)l, w->b->shared + a[l], i->nd + 1);
    }
}

static void atomic_local(struct warp *w, const struct insn *i, u32 mask) {
    fault(w, i, first_lane(mask), CUDA_ERROR_INVALID_ADDRESS_SPACE,
          "atomic operation on local memory");
}

void op_atomic(struct warp *w, const struct insn *i, u32 mask) {
    if (i->space == S_SHARED) {
        atomic_shared(w, i, mask);
    } else if (i->space == S_GLOBAL) {
        atomic_global(w, i, mask);
    } else {
        generic(w, i, mask, i->nd, atomic_global, atomic_shared, atomic_local);
    }
}

void op_fence(struct warp *w, const struct insn *i, u32 mask) {
    (void)mask;
    if (i->kind) { /* for the whole device */
        w->b->fenced = true;
    }
}

/* ---- matrices ----------------------------------------------------------------------------- */

void op_ldmatrix(struct warp *w, const struct insn *i, u32 mask) {
    u32 a[LANES], rows = i->vec == 4 ? FULL : (1u << 8 * i->vec) - 1;
    (void)mask;
    addresses32(w, i, i->nd, a);
    lanes_shared(w, i, rows, a, 16);
    if (opt.stats) {
        count_shared(w, rows, a, 16);
    }
    check_shared_reads(w, i, rows, a, 16, true);
    for (int j = 0; j < i->vec; j++) {
        u32 *d = reg(w, i, j);
        u16 tile[8][8];
        for (int r = 0; r < 8; r++) {
            memcpy(tile[r], w->b->shared + a[8 * j + r], 16);
        }
        if (i->kind) {
            LOOP d[l] = tile[l % 4 * 2][l / 4] | (u32)tile[l % 4 * 2 + 1][l / 4] << 16;
        } else {
            memcpy(d, tile, sizeof tile);
        }
    }
}

void op_stmatrix(struct warp *w, const struct insn *i, u32 mask) {
    u32 a[LANES], rows = i->vec == 4 ? FULL : (1u << 8 * i->vec) - 1;
    (void)mask;
    addresses32(w, i, 0, a);
    lanes_shared(w, i, rows, a, 16);
    for (int j = 0; j < i->vec; j++) {
        const u32 *s = reg(w, i, 1 + j);
        u16 tile[8][8];
        if (i->kind) {
            LOOP {
                tile[l % 4 * 2][l / 4] = (u16)s[l];
                tile[l % 4 * 2 + 1][l / 4] = (u16)(s[l] >> 16);
            }
        } else {
            memcpy(tile, s, sizeof tile);
        }
        for (int r = 0; r < 8; r++) {
            check_shared_write(w, i, 8 * j + r, a[8 * j + r], 16, tile[r], false);
            memcpy(w->b->shared + a[8 * j + r], tile[r], 16);
        }
    }
}

/* ---- cp.async ----------------------------------------------------------------------------- */

void op_cp_async(struct warp *w, const struct insn *i, u32 mask) {
    u32 to[LANES], source[LANES], reads = 0;
    u64 from[LANES];
    const u64 *a = reg(w, i, 1);
    addresses32(w, i, 0, to);
    LOOP from[l] = a[l] + (u64)(s64)i->target; /* the second address has its own offset */
    for (int l = 0; l < LANES; l++) {
        source[l] = i->nr > 2 ? ((u32 *)reg(w, i, 2))[l] : i->width;
        if (mask >> l & 1 && source[l] > i->width) {
            fault(w, i, l, CUDA_ERROR_LAUNCH_FAILED, "cp.async of %u bytes out of %u", source[l],
                  i->width);
        }
        reads |= mask >> l & 1 && source[l] ? 1u << l : 0;
    }
    lanes_shared(w, i, mask, to, i->width);
    EACH(mask) {
        if (from[l] % i->width) {
            fault(w, i, (int)l, CUDA_ERROR_MISALIGNED_ADDRESS,
                  "global address 0x%llx of a cp.async is not a multiple of %u",
                  (unsigned long long)from[l], i->width);
        }
    }
    if (opt.stats && reads) {
        count_global(w, reads, from, i->width, false);
        count_shared(w, mask, to, i->width);
    }
    EACH(reads) {
        if (from[l] < w->lo || from[l] + source[l] > w->hi) {
            struct allocation *found = memory_find(from[l]);
            if (!found || found->freed || from[l] + source[l] > found->base + found->size) {
                char text[220];
                memory_describe(found && !found->freed ? found->base + found->size : from[l], text,
                                sizeof text);
                fault(w, i, (int)l, CUDA_ERROR_ILLEGAL_ADDRESS,
                      "cp.async of %u bytes at 0x%llx: out of bounds: %s", source[l],
                      (unsigned long long)from[l], text);
            }
            w->lo = found->base;
            w->hi = found->base + found->size;
        }
        if (opt.check_init || opt.check_race) {
            check_global_read(w, i, (int)l, from[l], source[l], false);
        }
    }
    EACH(mask) {
        check_shared_write(w, i, (int)l, to[l], i->width, NULL, false);
        check_shared_pending(w, (int)l, to[l], i->width);
    }
    async_copy(w, i, mask, to, from, i->width, source);
}

void async_copy(struct warp *w, const struct insn *i, u32 mask, const u32 *to, const u64 *from,
                u32 size, const u32 *source) {
    (void)i;
    if (w->npending == w->room_pending) {
        w->room_pending = w->room_pending * 2 + 32;
        w->pending = realloc(w->pending, w->room_pending * sizeof *w->pending);
        if (!w->pending) {
            abort();
        }
    }
    struct pending *p = &w->pending[w->npending++];
    p->mask = mask;
    p->size = size;
    memcpy(p->source_size, source, sizeof p->source_size);
    memcpy(p->shared, to, sizeof p->shared);
    memcpy(p->global, from, sizeof p->global);
    memcpy(p->group, w->committed, sizeof p->group);
}

void async_commit(struct warp *w, u32 mask) {
    EACH(mask) w->committed[l]++;
}

/* Everything but the newest `keep` groups lands now: the bytes are read and written as late as
   the program allows. */
void async_wait(struct warp *w, u32 mask, u32 keep) {
    u32 left = 0;
    for (u32 q = 0; q < w->npending; q++) {
        struct pending *p = &w->pending[q];
        EACH(p->mask & mask) {
            if (p->group[l] + keep < w->committed[l]) {
                u8 *s = w->b->shared + p->shared[l];
                memcpy(s, device_host(p->global[l]), p->source_size[l]);
                memset(s + p->source_size[l], 0, p->size - p->source_size[l]);
                check_shared_landed(w, (int)l, p->shared[l], p->size);
                p->mask &= ~(1u << l);
            }
        }
        if (p->mask) {
            if (left != q) {
                w->pending[left] = *p;
            }
            left++;
        }
    }
    w->npending = left;
}

void op_cp_commit(struct warp *w, const struct insn *i, u32 mask) {
    (void)i;
    async_commit(w, mask);
}

void op_cp_wait(struct warp *w, const struct insn *i, u32 mask) {
    if (i->kind) {
        async_commit(w, mask);
    }
    async_wait(w, mask, (u32)i->imm);
}
