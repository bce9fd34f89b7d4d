/* PTX text to words, numbers and operands. */
#include "ptx_read.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

void bad(struct reader *r, const char *format, ...) {
    char what[300];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(r->log, r->room, "ptx:%u: %s", r->line, what);
    longjmp(r->out, 1);
}

void blanks(struct reader *r) {
    for (;;) {
        if (*r->p == '\n') {
            r->line++;
            r->p++;
        } else if (isspace((u8)*r->p)) {
            r->p++;
        } else if (r->p[0] == '/' && r->p[1] == '/') {
            while (*r->p && *r->p != '\n') {
                r->p++;
            }
        } else if (r->p[0] == '/' && r->p[1] == '*') {
            for (r->p += 2; *r->p && !(r->p[0] == '*' && r->p[1] == '/'); r->p++) {
                r->line += *r->p == '\n';
            }
            r->p += *r->p ? 2 : 0;
        } else {
            return;
        }
    }
}

bool eat(struct reader *r, char c) {
    blanks(r);
    if (*r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

void need(struct reader *r, char c) {
    if (!eat(r, c)) {
        bad(r, "'%c' is missing before \"%.20s\"", c, r->p);
    }
}

bool word_char(char c) {
    return isalnum((u8)c) || c == '_' || c == '$' || c == '%';
}

const char *copy_text(struct reader *r, const char *from, size_t n) {
    char *s = ptx_alloc(r->m, n + 1);
    memcpy(s, from, n);
    return s;
}

/* A name, "%r12" or "$L__BB0_2"; NULL where there is none. */
const char *word(struct reader *r) {
    blanks(r);
    const char *from = r->p;
    while (word_char(*r->p)) {
        r->p++;
    }
    return r->p == from ? NULL : copy_text(r, from, (size_t)(r->p - from));
}

/* A directive or an operation: letters, dots, colons. */
const char *dotted(struct reader *r) {
    blanks(r);
    const char *from = r->p;
    while (word_char(*r->p) || *r->p == '.' || (r->p[0] == ':' && r->p[1] == ':')) {
        r->p += *r->p == ':' ? 2 : 1;
    }
    return copy_text(r, from, (size_t)(r->p - from));
}

u32 ptx_type_size(const char *t) {
    static const struct {
        const char *name;
        u32 size;
    } types[] = {{".pred", 4}, {".b8", 1},  {".u8", 1},  {".s8", 1},    {".b16", 2},
                 {".u16", 2},  {".s16", 2}, {".f16", 2}, {".bf16", 2},  {".b32", 4},
                 {".u32", 4},  {".s32", 4}, {".f32", 4}, {".f16x2", 4}, {".bf16x2", 4},
                 {".b64", 8},  {".u64", 8}, {".s64", 8}, {".f64", 8},   {".b128", 16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!strcmp(types[i].name, t)) {
            return types[i].size;
        }
    }
    return 0;
}

u64 number(struct reader *r, u8 *kind) {
    blanks(r);
    bool minus = false;
    if (*r->p == '-') {
        minus = true;
        r->p++;
        blanks(r);
    }
    *kind = O_IMM;
    if (r->p[0] == '0' && (r->p[1] == 'f' || r->p[1] == 'F' || r->p[1] == 'd' || r->p[1] == 'D')) {
        bool one = r->p[1] == 'f' || r->p[1] == 'F';
        u64 v = 0;
        r->p += 2;
        for (int i = 0; i < (one ? 8 : 16); i++, r->p++) {
            if (!isxdigit((u8)*r->p)) {
                bad(r, "a number is cut short");
            }
            v = v << 4 | (u64)(isdigit((u8)*r->p) ? *r->p - '0' : tolower(*r->p) - 'a' + 10);
        }
        *kind = one ? O_FLOAT : O_DOUBLE;
        return minus ? v ^ (one ? 1ull << 31 : 1ull << 63) : v;
    }
    const char *q = r->p;
    while (isdigit((u8)*q)) {
        q++;
    }
    if (*q == '.' && isdigit((u8)q[1])) {
        char *end;
        union {
            double d;
            u64 b;
        } u = {.d = strtod(r->p, &end)};
        r->p = end;
        *kind = O_DOUBLE;
        return minus ? u.b ^ 1ull << 63 : u.b;
    }
    char *end;
    u64 v = strtoull(r->p, &end, 0);
    if (end == r->p) {
        bad(r, "a number is missing before \"%.20s\"", r->p);
    }
    r->p = end;
    if (*r->p == 'U') {
        r->p++;
    }
    return minus ? 0 - v : v;
}

/* Register of that name; -1: none. local: the unique name where it is a .param of the body. */
s32 find_register(struct reader *r, const char *name, const char **local) {
    size_t n = strlen(name), digits = 0;
    while (digits < n && isdigit((u8)name[n - 1 - digits])) {
        digits++;
    }
    for (u32 i = r->nnames; i-- > 0;) {
        struct name *e = &r->names[i];
        if (!e->range && e->length == n && !memcmp(e->text, name, n)) {
            if (e->local) {
                *local = e->local;
                return -1;
            }
            return (s32)e->first;
        }
        for (size_t d = digits; e->range && d > 0; d--) {
            if (e->length == n - d && !memcmp(e->text, name, n - d)) {
                u64 k = strtoull(name + n - d, NULL, 10);
                if (k < e->n) {
                    return (s32)(e->first + k);
                }
            }
        }
    }
    return -1;
}

static s32 special(const char *name) {
    static const char *const names[SR_COUNT] = {
        "%tid.x",          "%tid.y",       "%tid.z",       "%ntid.x",
        "%ntid.y",         "%ntid.z",      "%ctaid.x",     "%ctaid.y",
        "%ctaid.z",        "%nctaid.x",    "%nctaid.y",    "%nctaid.z",
        "%laneid",         "%warpid",      "%nwarpid",     "%smid",
        "%nsmid",          "%gridid",      "%lanemask_eq", "%lanemask_le",
        "%lanemask_lt",    "%lanemask_ge", "%lanemask_gt", "%clock",
        "%clock_hi",       "%clock64",     "%globaltimer", "%dynamic_smem_size",
        "%total_smem_size"};
    for (s32 i = 0; i < SR_COUNT; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

void operand_list(struct reader *r, struct ptx_operand *o, char close) {
    struct ptx_operand v[32];
    o->n = 0;
    while (!eat(r, close)) {
        if (o->n == 32) {
            bad(r, "too many operands");
        }
        memset(&v[o->n], 0, sizeof v[0]);
        operand(r, &v[o->n++]);
        eat(r, ',');
    }
    o->v = ptx_alloc(r->m, (o->n + 1) * sizeof *v);
    memcpy(o->v, v, o->n * sizeof *v);
}

static void name_operand(struct reader *r, struct ptx_operand *o) {
    const char *from = r->p;
    const char *name = word(r);
    if (!name) {
        bad(r, "an operand is missing before \"%.20s\"", r->p);
    }
    if (!strcmp(name, "_")) {
        o->kind = O_SINK;
        return;
    }
    if (*name == '%' && *r->p == '.' && r->p[1] >= 'x' && r->p[1] <= 'z') {
        r->p += 2;
        name = copy_text(r, from + strspn(from, " \t"), strlen(name) + 2);
    }
    const char *local = NULL;
    s32 reg = find_register(r, name, &local);
    if (reg >= 0) {
        o->kind = O_REG;
        o->reg = reg;
        return;
    }
    if (local) {
        o->kind = O_SYM;
        o->sym = local;
        return;
    }
    if (!strcmp(name, "WARP_SZ")) {
        o->kind = O_IMM;
        o->imm = LANES;
        return;
    }
    if (*name == '%') {
        o->kind = O_SPECIAL;
        o->reg = special(name);
        if (o->reg < 0) {
            bad(r, "register %s is not known", name);
        }
        return;
    }
    o->kind = O_SYM;
    o->sym = name;
}

void operand(struct reader *r, struct ptx_operand *o) {
    o->pair = -1;
    o->reg = -1;
    blanks(r);
    if (eat(r, '{')) {
        o->kind = O_VEC;
        operand_list(r, o, '}');
        return;
    }
    if (eat(r, '(')) {
        o->kind = O_LIST;
        operand_list(r, o, ')');
        return;
    }
    bool mem = eat(r, '[');
    o->neg = !mem && eat(r, '!');
    blanks(r);
    if (isdigit((u8)*r->p) || *r->p == '-') {
        o->imm = number(r, &o->kind);
    } else {
        name_operand(r, o);
    }
    blanks(r);
    if (!mem && o->kind == O_REG && eat(r, '|')) {
        struct ptx_operand second = {0};
        name_operand(r, &second);
        o->pair = second.kind == O_REG ? second.reg : -1;
    }
    if (mem || o->kind == O_SYM) {
        if (eat(r, '+')) {
            u8 kind;
            o->imm = number(r, &kind);
        } else if (*r->p == '-') {
            u8 kind;
            o->imm = number(r, &kind);
        }
    }
    if (mem) {
        need(r, ']');
        if (o->kind == O_IMM) {
            o->reg = -1;
        } else if (o->kind != O_REG && o->kind != O_SYM) {
            bad(r, "an address is not understood");
        }
        o->kind = O_MEM;
    }
}
