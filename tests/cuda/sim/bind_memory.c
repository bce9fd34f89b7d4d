/* Loads, stores, atomic operations, asynchronous copies: statements to instructions. */
#include "bind.h"

static const char *const hints[] = {"ca",
                                    "cg",
                                    "cs",
                                    "cv",
                                    "lu",
                                    "wb",
                                    "wt",
                                    "nc",
                                    "weak",
                                    "L1::evict_first",
                                    "L1::evict_last",
                                    "L1::evict_normal",
                                    "L1::no_allocate",
                                    "L1::evict_unchanged",
                                    "L2::64B",
                                    "L2::128B",
                                    "L2::256B",
                                    "L2::evict_first",
                                    "L2::evict_last",
                                    "L2::evict_normal",
                                    "noftz"};
static const char *const orders[] = {"volatile", "relaxed", "acquire", "release", "acq_rel",
                                     "cta",      "cluster", "gpu",     "sys",     "gl"};

static void take_hints(struct binder *b) {
    for (size_t k = 0; k < sizeof hints / sizeof *hints; k++) {
        has(b, hints[k]);
    }
}

static bool take_orders(struct binder *b) {
    bool any = false;
    for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
        any |= has(b, orders[k]);
    }
    return any;
}

static u8 take_space(struct binder *b) {
    return has(b, "global")                            ? S_GLOBAL
           : has(b, "shared") || has(b, "shared::cta") ? S_SHARED
           : has(b, "local")                           ? S_LOCAL
           : has(b, "param") || has(b, "param::entry") ? S_PARAM
           : has(b, "const")                           ? S_CONST
                                                       : S_GENERIC;
}

void all_used(struct binder *b) {
    for (u32 k = 1; k < b->nparts; k++) {
        if (!b->used[k]) {
            refuse(b, "modifier .%s is not known here", b->part[k]);
        }
    }
}

static void shared_bytes(struct binder *b, u8 space, u32 bytes) {
    u32 grain = bytes & (0u - bytes);
    if ((space == S_SHARED || space == S_GENERIC) && grain < b->least_shared) {
        b->least_shared = grain;
    }
}

static u8 data_class(struct binder *b, const struct ptx_operand *o, u32 size) {
    return operand_class(b, o, size == 8 ? CLS_D : size == 4 ? CLS_W : CLS_H);
}

static void bind_load_store(struct binder *b) {
    bool load = b->part[0][0] == 'l';
    const char *type = b->part[b->nparts - 1];
    char dotted[16];
    snprintf(dotted, sizeof dotted, ".%s", type);
    u32 size = ptx_type_size(dotted);
    b->used[b->nparts - 1] = true;
    take_hints(b);
    bool strong = take_orders(b);
    u8 space = take_space(b);
    u32 vec = has(b, "v2") ? 2 : has(b, "v4") ? 4 : has(b, "v8") ? 8 : 1;
    bool hint = has(b, "L2::cache_hint");
    all_used(b);
    want(b, 2, hint ? 3 : 2);
    if (!size || size > 8 || size * vec > 32 || (size * vec > 16 && space != S_GLOBAL)) {
        refuse(b, "type .%s with %u elements is not known", type, vec);
    }
    const struct ptx_operand *data = &b->s->v[load ? 0 : 1], *mem = &b->s->v[load ? 1 : 0];
    if ((vec > 1) != (data->kind == O_VEC) || (vec > 1 && data->n != vec)) {
        refuse(b, "elements and operands differ in number");
    }
    static handler *const loads[] = {op_load_generic, op_load_global, op_load_shared,
                                     op_load_local,   op_load_param,  op_load_global};
    static handler *const stores[] = {
        op_store_generic, op_store_global, op_store_shared, op_store_local, NULL, NULL};
    handler *fn = load ? loads[space] : stores[space];
    if (!fn) {
        refuse(b, "stores to this space are not known");
    }
    const struct ptx_operand *first = vec > 1 ? &data->v[0] : data;
    for (u32 k = 0; vec > 1 && k < vec && first->kind != O_REG; k++) {
        first = data->v[k].kind == O_REG ? &data->v[k] : first;
    }
    u8 cls = data_class(b, first, size);
    s32 v[8];
    for (u32 k = 0; k < vec; k++) {
        const struct ptx_operand *o = vec > 1 ? &data->v[k] : data;
        v[k] = load ? define_or_drop(b, o, cls) : use(b, o, cls);
    }
    struct insn *i = emit(b, fn);
    i->width = (u8)size;
    i->vec = (u8)vec;
    i->space = space;
    i->sign = *type == 's';
    i->cls[load ? 0 : 1] = cls;
    i->flags = strong ? ORDERED_ACCESS : 0;
    i->nd = load ? (u8)vec : 0;
    i->nr = (u8)(vec + 1);
    for (u32 k = 0; k < vec; k++) {
        i->r[load ? k : k + 1] = v[k];
    }
    s64 offset = address(b, i, load ? vec : 0, mem, space);
    b->k->code[b->k->count - 1].imm = offset;
    shared_bytes(b, space, size * vec);
}

static void bind_atomic(struct binder *b) {
    static const char *const kinds[] = {"add", "min",  "max", "and", "or",
                                        "xor", "exch", "cas", "inc", "dec"};
    static const char *const names[] = {"u32", "s32", "u64",  "s64",   "f32",
                                        "f64", "f16", "bf16", "f16x2", "bf16x2"};
    bool red = b->part[0][0] == 'r';
    const char *type = b->part[b->nparts - 1];
    int kind = -1, t = -1;
    b->used[b->nparts - 1] = true;
    take_hints(b);
    take_orders(b);
    u8 space = take_space(b);
    for (int k = 0; k < 10; k++) {
        kind = has(b, kinds[k]) ? k : kind;
        t = !strcmp(names[k], type) ? k : t;
    }
    t = !strcmp(type, "b32") ? T_U32 : !strcmp(type, "b64") ? T_U64 : t;
    all_used(b);
    if (kind < 0 || t < 0 || (t >= T_F32 && kind != A_ADD)) {
        refuse(b, "this atomic operation is not known");
    }
    u32 n = (red ? 2u : 3u) + (kind == A_CAS);
    want(b, n, n);
    u32 size = t == T_U64 || t == T_S64 || t == T_F64 ? 8 : t == T_F16 || t == T_BF16 ? 2 : 4;
    u8 cls = size == 8 ? CLS_D : size == 4 ? CLS_W : CLS_H;
    u32 at = red ? 0 : 1;
    s32 d = red ? -1 : define_or_drop(b, &b->s->v[0], cls);
    s32 x = use(b, &b->s->v[at + 1], cls), y = kind == A_CAS ? use(b, &b->s->v[at + 2], cls) : -1;
    struct insn *i = emit(b, op_atomic);
    i->kind = (u8)kind;
    i->sign = (u8)t;
    i->space = space;
    i->width = (u8)size;
    i->cls[0] = i->cls[1] = cls;
    i->nd = d >= 0;
    if (i->nd) {
        i->r[0] = d;
    }
    i->r[i->nd + 1] = x;
    i->nr = i->nd + 2;
    if (kind == A_CAS) {
        i->r[i->nr++] = y;
    }
    s64 offset = address(b, i, i->nd, &b->s->v[at], space);
    b->k->code[b->k->count - 1].imm = offset;
    shared_bytes(b, space, size);
}

static void bind_matrix(struct binder *b) {
    bool load = b->part[0][0] == 'l';
    if (!has(b, "sync") || !has(b, "aligned") || !has(b, "m8n8") || !has(b, "b16")) {
        refuse(b, "this form is not known");
    }
    u32 n = has(b, "x1") ? 1 : has(b, "x2") ? 2 : has(b, "x4") ? 4 : 0;
    bool trans = has(b, "trans");
    take_space(b);
    all_used(b);
    want(b, 2, 2);
    const struct ptx_operand *data = &b->s->v[load ? 0 : 1];
    if (!n || (data->kind == O_VEC ? data->n : 1) != n) {
        refuse(b, "this form is not known");
    }
    s32 v[4];
    for (u32 k = 0; k < n; k++) {
        const struct ptx_operand *o = data->kind == O_VEC ? &data->v[k] : data;
        v[k] = load ? define(b, o, CLS_W) : use(b, o, CLS_W);
        if (v[k] < 0) {
            refuse(b, "a result is missing");
        }
    }
    struct insn *i = emit(b, load ? op_ldmatrix : op_stmatrix);
    i->control = C_SYNC;
    i->vec = (u8)n;
    i->width = 4;
    i->kind = trans;
    i->nd = load ? (u8)n : 0;
    i->nr = (u8)(n + 1);
    for (u32 k = 0; k < n; k++) {
        i->r[load ? k : k + 1] = v[k];
    }
    s64 offset = address(b, i, load ? n : 0, &b->s->v[load ? 1 : 0], S_SHARED);
    b->k->code[b->k->count - 1].imm = offset;
    shared_bytes(b, S_SHARED, 16);
}

static void bind_cp_async(struct binder *b) {
    if (has(b, "commit_group")) {
        has(b, "async");
        all_used(b);
        emit(b, op_cp_commit);
        return;
    }
    if (has(b, "wait_all") || has(b, "wait_group")) {
        has(b, "async");
        all_used(b);
        struct insn *i = emit(b, op_cp_wait);
        i->kind = !strcmp(b->part[2], "wait_all");
        if (!i->kind) {
            want(b, 1, 1);
            if (b->s->v[0].kind != O_IMM) {
                refuse(b, "the number of groups must be a number");
            }
            i->imm = (s64)b->s->v[0].imm;
        }
        return;
    }
    bool cg = has(b, "cg");
    if (!has(b, "async") || (!cg && !has(b, "ca")) ||
        !(has(b, "shared") || has(b, "shared::cta")) || !has(b, "global")) {
        refuse(b, "this form is not known");
    }
    take_hints(b);
    bool hint = has(b, "L2::cache_hint");
    all_used(b);
    want(b, 3, hint ? 5 : 4);
    u32 size = (u32)b->s->v[2].imm;
    if (b->s->v[2].kind != O_IMM || (size != 16 && (cg || (size != 4 && size != 8)))) {
        refuse(b, "a size of %u bytes", size);
    }
    bool partial = b->s->n - hint == 4;
    if (partial && operand_class(b, &b->s->v[3], CLS_W) == CLS_P) {
        refuse(b, "the form with a predicate is not known");
    }
    s32 source = partial ? use(b, &b->s->v[3], CLS_W) : -1;
    struct insn *i = emit(b, op_cp_async);
    i->width = (u8)size;
    i->nr = partial ? 3 : 2;
    i->r[2] = source;
    i->kind = 1;
    s64 from = address(b, i, 1, &b->s->v[1], S_GLOBAL);
    i = &b->k->code[b->k->count - 1];
    s64 to = address(b, i, 0, &b->s->v[0], S_SHARED);
    i = &b->k->code[b->k->count - 1];
    i->imm = to;
    i->target = (s32)from;
    shared_bytes(b, S_SHARED, size);
}

bool bind_memory(struct binder *b) {
    const char *op = b->part[0];
    if (!strcmp(op, "ld") || !strcmp(op, "st") || !strcmp(op, "ldu")) {
        bind_load_store(b);
    } else if (!strcmp(op, "atom") || !strcmp(op, "red")) {
        bind_atomic(b);
    } else if (!strcmp(op, "ldmatrix") || !strcmp(op, "stmatrix")) {
        bind_matrix(b);
    } else if (!strcmp(op, "cp") && b->nparts > 1 && !strcmp(b->part[1], "async")) {
        bind_cp_async(b);
    } else if (!strcmp(op, "membar") || !strcmp(op, "fence")) {
        bool proxy = b->nparts > 1 && !strcmp(b->part[1], "proxy");
        emit(b, proxy ? op_nothing : op_fence)->kind = !has(b, "cta");
    } else if (!strcmp(op, "cvta")) {
        u8 space = take_space(b);
        bool to = has(b, "to");
        if (space != S_SHARED && space != S_LOCAL) {
            return false; /* plain moves are in the table */
        }
        if (!has(b, "u64")) {
            refuse(b, "only 64 bits are known");
        }
        want(b, 2, 2);
        s32 d = define(b, &b->s->v[0], CLS_D), a = use(b, &b->s->v[1], CLS_D);
        struct insn *i = emit(b, space == S_SHARED ? (to ? op_cvta_to_shared : op_cvta_shared)
                                                   : (to ? op_cvta_to_local : op_cvta_local));
        i->nd = 1;
        i->nr = 2;
        i->r[0] = d;
        i->r[1] = a;
    } else if (!strcmp(op, "isspacep")) {
        u8 space = take_space(b);
        all_used(b);
        s32 d = define(b, &b->s->v[0], CLS_P), a = use(b, &b->s->v[1], CLS_D);
        struct insn *i = emit(b, op_isspace);
        i->kind = space;
        i->nd = 1;
        i->nr = 2;
        i->r[0] = d;
        i->r[1] = a;
    } else if (!strcmp(op, "prefetch") || !strcmp(op, "prefetchu") ||
               !strcmp(op, "griddepcontrol") || !strcmp(op, "nanosleep") ||
               !strcmp(op, "applypriority") || !strcmp(op, "discard")) {
        emit(b, op_nothing);
    } else if (!strcmp(op, "createpolicy")) {
        struct insn *i = emit(b, op_cvta_local); /* any number: nobody looks at it */
        i->nd = 1;
        i->nr = 2;
        s32 d = define(b, &b->s->v[0], CLS_D), zero = constant(b, CLS_D, 0);
        i = &b->k->code[b->k->count - 1];
        i->r[0] = d;
        i->r[1] = zero;
    } else {
        return false;
    }
    return true;
}
