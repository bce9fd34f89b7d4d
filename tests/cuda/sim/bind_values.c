/* What binding is made of: modifiers, values, symbols, addresses. */
#include "bind.h"

#include <stdarg.h>
#include <stdlib.h>

void refuse(struct binder *b, const char *format, ...) {
    char what[300];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(b->log, b->room, "%s ptx:%u: %s: %s", b->k->name, b->s ? b->s->line : 0, what,
             b->s && b->s->text ? b->s->text : "");
    longjmp(b->out, 1);
}

bool has(struct binder *b, const char *modifier) {
    for (u32 k = 1; k < b->nparts; k++) {
        if (!strcmp(b->part[k], modifier)) {
            b->used[k] = true;
            return true;
        }
    }
    return false;
}

void want(struct binder *b, u32 least, u32 most) {
    if (b->s->n < least || b->s->n > most) {
        refuse(b, "%u operands", b->s->n);
    }
}

struct insn *emit(struct binder *b, handler *fn) {
    struct kernel *k = b->k;
    if (k->count == b->room_code) {
        b->room_code = b->room_code * 2 + 512;
        k->code = realloc(k->code, b->room_code * sizeof *k->code);
        if (!k->code) {
            abort();
        }
    }
    struct insn *i = &k->code[k->count++];
    memset(i, 0, sizeof *i);
    i->fn = fn;
    i->guard = -1;
    i->sync = -1;
    i->vec = 1;
    if (b->s) {
        i->line = b->s->line;
        i->loc = b->s->loc;
        i->text = b->s->text;
        if (b->s->guard >= 0) {
            i->guard = (s32)b->frame->base + b->s->guard;
            i->guard_not = b->s->guard_not;
        }
    }
    return i;
}

s32 new_value(struct binder *b, u8 cls) {
    if (b->nvalues == b->room_values) {
        b->room_values = b->room_values * 2 + 512;
        b->values = realloc(b->values, b->room_values * sizeof *b->values);
        if (!b->values) {
            abort();
        }
    }
    b->values[b->nvalues] = (struct value){.cls = cls};
    return (s32)b->nvalues++;
}

s32 constant(struct binder *b, u8 cls, u64 bits) {
    bits &= cls == CLS_H ? 0xffff : cls == CLS_D ? ~0ull : FULL;
    for (u32 v = 0; v < b->nvalues; v++) {
        if (b->values[v].kind == 1 && b->values[v].cls == cls && b->values[v].bits == bits) {
            return (s32)v;
        }
    }
    s32 v = new_value(b, cls);
    b->values[v].kind = 1;
    b->values[v].bits = bits;
    return v;
}

static s32 special_value(struct binder *b, s32 which) {
    for (u32 v = 0; v < b->nvalues; v++) {
        if (b->values[v].kind == 2 && b->values[v].special == which) {
            return (s32)v;
        }
    }
    s32 v = new_value(b, CLS_W);
    b->values[v].kind = 2;
    b->values[v].special = (u8)which;
    return v;
}

s32 kernel_param(struct binder *b, const char *name) {
    struct ptx_func *f = b->frame->f;
    for (u32 k = 0; f->entry && k < f->nparams; k++) {
        if (!strcmp(f->params[k].name, name)) {
            return (s32)f->params[k].offset;
        }
    }
    return -1;
}

/* Where in shared or local memory the variable begins, which is new here. */
static u32 place_variable(struct binder *b, const struct ptx_var *x) {
    struct kernel *k = b->k;
    u32 align = x->align ? x->align : 1, start;
    if (b->nplaced == 256 || k->nshared == 60) {
        refuse(b, "too many variables");
    }
    if (x->space == S_LOCAL) {
        start = (k->local_size + align - 1) & ~(align - 1);
        k->local_size = (start + (u32)x->size + 15) & ~15u;
    } else if (x->external) {
        /* aligned as declared and no more */
        start = 0x40000 + align;
        if (k->shared_dynamic < 0) {
            k->shared_dynamic = (s32)k->nshared;
            k->shared[k->nshared++] = (struct shared_var){start, start};
        } else if (k->shared[k->shared_dynamic].start != start) {
            refuse(b, "dynamic shared arrays of different alignment");
        }
        k->shared_layout = start;
    } else {
        u32 last = 0;
        for (u32 q = 0; q < k->nshared; q++) {
            last = (s32)q != k->shared_dynamic && k->shared[q].end > last ? k->shared[q].end : last;
        }
        start = ((last + 64 + 2 * align - 1) & ~(2 * align - 1)) + align;
        k->shared[k->nshared++] = (struct shared_var){start, start + (u32)x->size};
        k->shared_static = ((k->shared_static + align - 1) & ~(align - 1)) + (u32)x->size;
        if (start + x->size > k->shared_layout) {
            k->shared_layout = start + (u32)x->size;
        }
        if (start + x->size > 0x3ff00) {
            refuse(b, "static shared memory of more than 256 KB");
        }
    }
    return start;
}

bool find_symbol(struct binder *b, const char *name, u8 *space, u64 *at) {
    s32 offset = kernel_param(b, name);
    if (offset >= 0) {
        *space = S_PARAM;
        *at = (u64)offset;
        return true;
    }
    for (u32 v = 0; v < b->p->nvars; v++) {
        struct ptx_var *x = &b->p->vars[v];
        if (strcmp(x->name, name)) {
            continue;
        }
        *space = x->space;
        if (x->space == S_GLOBAL || x->space == S_CONST) {
            u64 size;
            *at = module_symbol(b->m, name, &size);
            return *at != 0;
        }
        for (u32 q = 0; q < b->nplaced; q++) {
            if (!strcmp(b->placed[q].name, name)) {
                *at = b->placed[q].at;
                return true;
            }
        }
        u32 start = place_variable(b, x);
        b->placed[b->nplaced].name = x->name;
        b->placed[b->nplaced++].at = start;
        *at = start;
        return true;
    }
    return false;
}

u8 operand_class(struct binder *b, const struct ptx_operand *o, u8 otherwise) {
    return o->kind == O_REG ? b->frame->f->regs[o->reg] : o->kind == O_SPECIAL ? CLS_W : otherwise;
}

s32 use(struct binder *b, const struct ptx_operand *o, u8 cls) {
    union {
        u32 u;
        f32 f;
    } one;
    union {
        u64 u;
        f64 f;
    } two;
    switch (o->kind) {
    case O_REG:
        if (b->frame->f->regs[o->reg] != cls) {
            refuse(b, "an operand has another size");
        }
        return (s32)b->frame->base + o->reg;
    case O_IMM:
        if (cls == CLS_P) {
            return constant(b, cls, o->imm ? FULL : 0);
        }
        return constant(b, cls, o->imm);
    case O_FLOAT:
        if (cls == CLS_D) {
            one.u = (u32)o->imm;
            two.f = one.f;
            return constant(b, cls, two.u);
        }
        return constant(b, cls, o->imm);
    case O_DOUBLE:
        if (cls == CLS_W) {
            two.u = o->imm;
            one.f = (f32)two.f;
            return constant(b, cls, one.u);
        }
        return constant(b, cls, o->imm);
    case O_SPECIAL:
        if (cls != CLS_W || o->reg == SR_CLOCK || o->reg == SR_CLOCK_HI || o->reg == SR_CLOCK64 ||
            o->reg == SR_TIMER || o->reg == SR_GRIDID) {
            refuse(b, "this special register is not known here");
        }
        return special_value(b, o->reg);
    case O_SYM: {
        u8 space;
        u64 at;
        if (!find_symbol(b, o->sym, &space, &at)) {
            refuse(b, "symbol %s is not known", o->sym);
        }
        return constant(b, cls, at + o->imm);
    }
    default: refuse(b, "an operand is not understood");
    }
}

s32 define_or_drop(struct binder *b, const struct ptx_operand *o, u8 cls) {
    return o->kind == O_SINK ? -1 : define(b, o, cls);
}

s32 define(struct binder *b, const struct ptx_operand *o, u8 cls) {
    if (o->kind != O_REG) {
        refuse(b, "the result is no register");
    }
    return use(b, o, cls);
}

s64 address(struct binder *b, struct insn *i, u32 at, const struct ptx_operand *o, u8 space) {
    if (o->kind != O_MEM) {
        refuse(b, "an address is missing");
    }
    if (o->sym) {
        u8 is;
        u64 where;
        if (!find_symbol(b, o->sym, &is, &where)) {
            refuse(b, "symbol %s is not known", o->sym);
        }
        bool device = is == S_GLOBAL || is == S_CONST;
        if (is != space &&
            !(device && (space == S_GLOBAL || space == S_GENERIC || space == S_CONST))) {
            refuse(b, "symbol %s is in another space", o->sym);
        }
        i->r[at] = constant(b, space == S_SHARED ? CLS_W : CLS_D, 0);
        return (s64)(where + o->imm);
    }
    if (o->reg < 0) {
        i->r[at] = constant(b, CLS_D, 0);
        if (space == S_SHARED) {
            i->flags |= WIDE_ADDRESS;
        }
        return (s64)o->imm;
    }
    u8 cls = b->frame->f->regs[o->reg];
    if (space == S_SHARED && cls == CLS_D) {
        i->flags |= WIDE_ADDRESS;
    } else if (cls != (space == S_SHARED ? CLS_W : CLS_D)) {
        refuse(b, "an address has another size");
    }
    i->r[at] = (s32)b->frame->base + o->reg;
    return (s64)o->imm;
}

s32 label_id(struct binder *b, const char *name) {
    for (u32 k = 0; k < b->nlabels; k++) {
        if (b->labels[k].frame == b->frame && !strcmp(b->labels[k].name, name)) {
            return b->labels[k].id;
        }
    }
    refuse(b, "label %s is not known", name);
}
