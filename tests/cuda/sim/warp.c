/*
 * The lanes of a warp.
 *
 * A warp has one running group of lanes and others that wait at their place. A branch that not
 * all lanes take makes two groups; at labels, groups that stand at the same place become one, and
 * the one furthest behind goes on, which brings lanes together as early as the code allows. Now and
 * then, by the seed, a group runs ahead alone instead: a card gives no promise either.
 * At an instruction with .sync a group waits until all lanes of its mask stand at the same
 * instruction. Where nobody can go on, the reason is reported.
 */
#include "ops_warp.h"

/* ---- groups of lanes ---------------------------------------------------------------------- */

static void wait_at(struct warp *w, u32 mask, u32 pc, bool parked) {
    for (u32 g = 0; g < w->ngroups; g++) {
        if (w->groups[g].pc == pc && w->groups[g].parked == parked) {
            w->groups[g].mask |= mask;
            return;
        }
    }
    w->groups[w->ngroups++] = (struct group){mask, pc, parked};
}

static void take_group(struct warp *w, u32 g) {
    w->mask = w->groups[g].mask;
    w->pc = w->groups[g].pc;
    w->groups[g] = w->groups[--w->ngroups];
}

static void lane_list(u32 mask, char *text, size_t room) {
    snprintf(text, room, "%d lanes (0x%08x)", __builtin_popcount(mask), mask);
}

/* The next group that may run; false: the warp has ended. */
static bool next_group(struct warp *w) {
    s64 best = -1;
    for (u32 g = 0; g < w->ngroups; g++) {
        if (!w->groups[g].parked && (best < 0 || w->groups[g].pc < w->groups[best].pc)) {
            best = g;
        }
    }
    if (best >= 0) {
        take_group(w, (u32)best);
        return true;
    }
    if (!w->ngroups) {
        w->mask = 0;
        return false;
    }
    char who[60];
    struct group *p = &w->groups[0];
    const struct insn *i = &w->k->code[p->pc];
    u32 need = i->sync >= 0 ? ((u32 *)(w->rf + i->r[i->sync]))[first_lane(p->mask)] : w->live;
    w->mask = p->mask;
    lane_list(need & ~p->mask, who, sizeof who);
    if (w->ngroups > 1) {
        const struct insn *other = &w->k->code[w->groups[1].pc];
        fault(w, i, first_lane(p->mask), CUDA_ERROR_LAUNCH_FAILED,
              "waits for %s, which never come: lanes 0x%08x wait at ptx:%u", who, w->groups[1].mask,
              other->line);
    }
    fault(w, i, first_lane(p->mask), CUDA_ERROR_LAUNCH_FAILED, "waits for %s, which never come",
          who);
    return false;
}

/* Groups that stand here join; one that is behind goes first. */
static void meet(struct warp *w) {
    u32 behind = w->pc;
    s64 who = -1;
    for (u32 g = 0; g < w->ngroups;) {
        if (w->groups[g].pc == w->pc && !w->groups[g].parked) {
            w->mask |= w->groups[g].mask;
            w->groups[g] = w->groups[--w->ngroups];
            continue;
        }
        g++;
    }
    for (u32 g = 0; g < w->ngroups; g++) {
        if (!w->groups[g].parked && w->groups[g].pc < behind) {
            behind = w->groups[g].pc;
            who = g;
        }
    }
    if (who >= 0) {
        u32 mask = w->mask, pc = w->pc;
        take_group(w, (u32)who);
        wait_at(w, mask, pc, false);
    }
}

/* Everybody who waits at this instruction joins in. */
static void gather(struct warp *w) {
    for (u32 g = 0; g < w->ngroups;) {
        if (w->groups[g].pc == w->pc) {
            w->mask |= w->groups[g].mask;
            w->groups[g] = w->groups[--w->ngroups];
        } else {
            g++;
        }
    }
}

static u32 guarded(struct warp *w, const struct insn *i, u32 mask) {
    if (i->guard >= 0) {
        u32 p = *(u32 *)(w->rf + i->guard);
        mask &= i->guard_not ? ~p : p;
    }
    return mask;
}

/* At a .sync: run it, or wait. True: the warp goes on (perhaps elsewhere). */
static bool synchronise(struct warp *w, const struct insn *i) {
    gather(w);
    u32 here = guarded(w, i, w->mask);
    if (!here) {
        w->pc++;
        return true;
    }
    u32 rest = here, waits = 0;
    while (rest) {
        int l = first_lane(rest);
        u32 need = w->exists, same = here;
        if (i->sync >= 0) {
            const u32 *m = (u32 *)(w->rf + i->r[i->sync]);
            need = m[l];
            same = 0;
            for (u32 k = rest; k; k &= k - 1) {
                same |= m[first_lane(k)] == need ? 1u << first_lane(k) : 0;
            }
        }
        u32 stranger = same & ~need;
        if (stranger) {
            fault(w, i, first_lane(stranger), CUDA_ERROR_LAUNCH_FAILED,
                  "the mask 0x%08x of lanes does not name the lane itself", need);
        }
        u32 missing = need & ~same;
        char who[60];
        if (missing & ~w->live) {
            u32 gone = missing & ~w->live;
            lane_list(gone, who, sizeof who);
            fault(w, i, l, CUDA_ERROR_LAUNCH_FAILED, "the mask 0x%08x names %s that %s", need, who,
                  gone & w->exists ? "have exited" : "the block does not have");
        }
        if (missing & w->mask) {
            lane_list(missing & w->mask, who, sizeof who);
            fault(w, i, l, CUDA_ERROR_LAUNCH_FAILED,
                  "the mask 0x%08x names %s that stand here but do not take part", need, who);
        }
        if (missing) {
            waits |= same;
        } else {
            i->fn(w, i, same);
        }
        rest &= ~same;
    }
    u32 pass = w->mask & ~waits;
    if (waits) {
        u32 pc = w->pc;
        wait_at(w, waits, pc, true);
        if (pass) {
            w->mask = pass;
            w->pc = pc + 1;
            return true;
        }
        return next_group(w);
    }
    w->pc++;
    return true;
}

/* ---- barriers of a block ------------------------------------------------------------------ */

static u32 operand_value(struct warp *w, s32 offset) {
    return ((u32 *)(w->rf + offset))[first_lane(w->mask)];
}

/* The barrier that the instruction names, one more warp of which has come. */
static struct barrier *come_to(struct warp *w, const struct insn *i, u32 here) {
    struct block *b = w->b;
    u32 id = operand_value(w, i->r[i->nd]);
    u32 count = i->nr > i->nd + 1 && i->flags & HAS_COUNT ? operand_value(w, i->r[i->nd + 1]) : 0;
    if (id > 15) {
        fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED, "barrier %u does not exist", id);
    }
    if (count % LANES) {
        fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED,
              "barrier %u for %u threads: not a multiple of 32", id, count);
    }
    struct barrier *bar = &b->barriers[id];
    u32 expected = count ? count : (b->threads + LANES - 1) / LANES * LANES;
    if (!bar->arrived) {
        memset(bar, 0, sizeof *bar);
        bar->expected = expected;
        bar->all = 1;
    } else if (bar->expected != expected) {
        fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED,
              "barrier %u for %u threads, while others wait at it for %u", id, expected,
              bar->expected);
    }
    bar->arrived += LANES;
    if (bar->arrived > bar->expected) {
        fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED,
              "barrier %u: more than %u threads arrived", id, bar->expected);
    }
    return bar;
}

/* All have come: those who wait go on, and learn what the barrier counted. */
static void open_barrier(struct block *b, struct barrier *bar) {
    bool whole = bar->expected == b->nwarps * LANES && !bar->passing;
    for (u32 v = 0; v < b->nwarps; v++) {
        struct warp *o = &b->warps[v];
        if (!o->at_barrier || &b->barriers[o->barrier] != bar) {
            continue;
        }
        const struct insn *i = &o->k->code[o->barrier_insn];
        barrier_leave(o, bar, whole);
        if (i->kind == BAR_POPC) {
            u32 t[LANES];
            LOOP t[l] = bar->popc;
            put32(o->rf + i->r[0], t, o->mask);
        } else if (i->kind > BAR_POPC) {
            u32 any = i->kind == BAR_AND ? bar->all : bar->any;
            put_pred(o, i, 0, any ? FULL : 0, o->mask);
        }
        o->at_barrier = false;
        o->pc = (u32)o->barrier_insn + 1;
    }
    bar->arrived = 0;
}

/* True: the warp has arrived and stops here (or, for arrive, goes on). */
static bool arrive(struct warp *w, const struct insn *i) {
    struct block *b = w->b;
    gather(w);
    u32 here = guarded(w, i, w->mask);
    if (!here) {
        w->pc++;
        return false;
    }
    if (here != w->live) {
        if (here != w->mask) {
            fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED,
                  "barrier that only lanes 0x%08x of 0x%08x execute", here, w->live);
        }
        wait_at(w, w->mask, w->pc, true);
        next_group(w);
        return false;
    }
    if (w->live != w->exists) {
        fault(w, i, first_lane(here), CUDA_ERROR_LAUNCH_FAILED,
              "barrier after lanes 0x%08x of the warp have exited", w->exists & ~w->live);
    }
    struct barrier *bar = come_to(w, i, here);
    if (i->kind >= BAR_POPC) {
        u32 p = pred(w, i, i->nr - 1) & here;
        bar->popc += (u32)__builtin_popcount(p);
        bar->any |= p != 0;
        bar->all &= p == here;
    }
    barrier_arrive(w, bar, i->kind != BAR_ARRIVE);
    bar->passing |= i->kind == BAR_ARRIVE;
    w->barrier = (u32)(bar - b->barriers);
    w->barrier_insn = (s32)w->pc;
    w->at_barrier = i->kind != BAR_ARRIVE;
    if (bar->arrived == bar->expected) {
        open_barrier(b, bar);
    }
    if (i->kind == BAR_ARRIVE) {
        w->pc++;
        return false;
    }
    return true;
}

/* ---- a warp ------------------------------------------------------------------------------- */

enum { SLICE = 1 << 16 };

static void branch(struct warp *w, const struct insn *i) {
    u32 mask = w->mask, taken = guarded(w, i, mask), other = mask & ~taken;
    if (!taken) {
        w->pc++;
    } else if (!other) {
        w->pc = (u32)i->target;
    } else {
        bool forward = (u32)i->target > w->pc;
        bool first = !forward; /* the one that is behind */
        if (random_below(&w->rng, 16) == 0) {
            first = !first;
        }
        if (first) {
            wait_at(w, other, w->pc + 1, false);
            w->mask = taken;
            w->pc = (u32)i->target;
        } else {
            wait_at(w, taken, (u32)i->target, false);
            w->mask = other;
            w->pc++;
        }
    }
}

static void branch_index(struct warp *w, const struct insn *i) {
    u32 mask = guarded(w, i, w->mask), other = w->mask & ~mask, pc = w->pc;
    const u32 *index = reg(w, i, 0);
    if (other) {
        wait_at(w, other, pc + 1, false);
    }
    for (u32 m = mask; m; m &= m - 1) {
        int l = first_lane(m);
        if (index[l] >= i->ntarget) {
            fault(w, i, l, CUDA_ERROR_LAUNCH_FAILED, "branch to entry %u of %u", index[l],
                  i->ntarget);
        }
        wait_at(w, 1u << l, (u32)w->k->targets[(u32)i->target + index[l]], false);
    }
    next_group(w);
}

void warp_run(struct warp *w) {
    const struct insn *code = w->k->code;
    u64 budget = SLICE, lanes = 0;
    u32 ahead = 0;
    for (;;) {
        const struct insn *i = &code[w->pc];
        u32 mask = w->mask;
        budget--;
        lanes += (u64)__builtin_popcount(mask);
        switch (i->control) {
        case C_NONE:
            mask = guarded(w, i, mask);
            if (mask) {
                i->fn(w, i, mask);
            }
            w->pc++;
            continue;
        case C_LABEL:
            w->pc++;
            if (w->ngroups) {
                if (ahead) {
                    ahead--;
                } else if (random_below(&w->rng, 64) == 0) {
                    ahead = random_below(&w->rng, 50);
                } else {
                    w->pc--;
                    meet(w);
                    w->pc += code[w->pc].control == C_LABEL;
                }
            }
            if ((s64)budget <= 0) {
                goto out;
            }
            continue;
        case C_BRANCH: branch(w, i); continue;
        case C_BRANCH_INDEX: branch_index(w, i); continue;
        case C_EXIT: {
            u32 gone = guarded(w, i, mask);
            w->live &= ~gone;
            w->mask &= ~gone;
            ahead = 0;
            if (w->mask) {
                w->pc++;
            } else if (!next_group(w)) {
                w->done = true;
                goto out;
            }
            continue;
        }
        case C_SYNC: synchronise(w, i); continue;
        case C_BARRIER:
            if (arrive(w, i) && w->at_barrier) {
                goto out;
            }
            continue;
        }
    }
out:
    w->b->insns += SLICE - budget;
    w->b->lane_insns += lanes;
}
