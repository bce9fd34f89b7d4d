/* Integers, bits, predicates, moves. */
#include "ops.h"

#define UN(name, TD, TA, BITS, EXPR)                                                               \
    static void name(struct warp *w, const struct insn *i, u32 mask) {                             \
        OPERAND(TA, a, 1);                                                                         \
        TD t[LANES];                                                                               \
        LOOP {                                                                                     \
            TA x = a[l];                                                                           \
            t[l] = (TD)(EXPR);                                                                     \
        }                                                                                          \
        RESULT##BITS(t);                                                                           \
    }

#define BIN(name, TD, TA, TB, BITS, EXPR)                                                          \
    static void name(struct warp *w, const struct insn *i, u32 mask) {                             \
        OPERAND(TA, a, 1);                                                                         \
        OPERAND(TB, b, 2);                                                                         \
        TD t[LANES];                                                                               \
        LOOP {                                                                                     \
            TA x = a[l];                                                                           \
            TB y = b[l];                                                                           \
            t[l] = (TD)(EXPR);                                                                     \
        }                                                                                          \
        RESULT##BITS(t);                                                                           \
    }

#define TER(name, TD, TA, TB, TC, BITS, EXPR)                                                      \
    static void name(struct warp *w, const struct insn *i, u32 mask) {                             \
        OPERAND(TA, a, 1);                                                                         \
        OPERAND(TB, b, 2);                                                                         \
        OPERAND(TC, c, 3);                                                                         \
        TD t[LANES];                                                                               \
        LOOP {                                                                                     \
            TA x = a[l];                                                                           \
            TB y = b[l];                                                                           \
            TC z = c[l];                                                                           \
            t[l] = (TD)(EXPR);                                                                     \
        }                                                                                          \
        RESULT##BITS(t);                                                                           \
    }

/* clang-format off */
BIN(add16, u16, u16, u16, 16, x + y)
BIN(add32, u32, u32, u32, 32, x + y)
BIN(add64, u64, u64, u64, 64, x + y)
BIN(sub16, u16, u16, u16, 16, x - y)
BIN(sub32, u32, u32, u32, 32, x - y)
BIN(sub64, u64, u64, u64, 64, x - y)
BIN(mul16, u16, u16, u16, 16, (u32)x * y)
BIN(mul32, u32, u32, u32, 32, x * y)
BIN(mul64, u64, u64, u64, 64, x * y)
BIN(mulhi_u16, u16, u16, u16, 16, (u32)x * y >> 16)
BIN(mulhi_s16, s16, s16, s16, 16, (s32)x * y >> 16)
BIN(mulhi_u32, u32, u32, u32, 32, (u64)x * y >> 32)
BIN(mulhi_s32, s32, s32, s32, 32, (s64)x * y >> 32)
BIN(mulhi_u64, u64, u64, u64, 64, (unsigned __int128)x * y >> 64)
BIN(mulhi_s64, s64, s64, s64, 64, (__int128)x * y >> 64)
BIN(wide_u16, u32, u16, u16, 32, (u32)x * y)
BIN(wide_s16, s32, s16, s16, 32, (s32)x * y)
BIN(wide_u32, u64, u32, u32, 64, (u64)x * y)
BIN(wide_s32, s64, s32, s32, 64, (s64)x * y)
BIN(add_sat, s32, s32, s32, 32,
    ((s64)x + y > INT32_MAX   ? INT32_MAX
     : (s64)x + y < INT32_MIN ? INT32_MIN
                              : (s64)x + y))
BIN(sub_sat, s32, s32, s32, 32,
    ((s64)x - y > INT32_MAX   ? INT32_MAX
     : (s64)x - y < INT32_MIN ? INT32_MIN
                              : (s64)x - y))
BIN(mul24_u, u32, u32, u32, 32, (x & 0xffffff) * (y & 0xffffff))
BIN(mul24_s, s32, s32, s32, 32,
    (s32)((u32)((s32)((u32)x << 8) >> 8) * (u32)((s32)((u32)y << 8) >> 8)))
TER(mad16, u16, u16, u16, u16, 16, (u32)x * y + z)
TER(mad32, u32, u32, u32, u32, 32, x * y + z)
TER(mad64, u64, u64, u64, u64, 64, x * y + z)
TER(madhi_u32, u32, u32, u32, u32, 32, (u32)((u64)x * y >> 32) + z)
TER(madhi_s32, u32, s32, s32, u32, 32, (u32)((s64)x * y >> 32) + z)
TER(madhi_u64, u64, u64, u64, u64, 64, (u64)((unsigned __int128)x * y >> 64) + z)
TER(madwide_u16, u32, u16, u16, u32, 32, (u32)x * y + z)
TER(madwide_s16, u32, s16, s16, u32, 32, (u32)((s32)x * y) + z)
TER(madwide_u32, u64, u32, u32, u64, 64, (u64)x * y + z)
TER(madwide_s32, u64, s32, s32, u64, 64, (u64)((s64)x * y) + z)
TER(sad_u32, u32, u32, u32, u32, 32, z + (x > y ? x - y : y - x))
TER(sad_s32, u32, s32, s32, u32, 32, z + (x > y ? (u32)x - (u32)y : (u32)y - (u32)x))

BIN(div_u16, u16, u16, u16, 16, y ? x / y : 0xffff)
BIN(div_s16, s16, s16, s16, 16, y ? x / y : -1)
BIN(div_u32, u32, u32, u32, 32, y ? x / y : ~0u)
BIN(div_s32, s32, s32, s32, 32, y == 0 ? -1 : y == -1 ? (s32)(0u - (u32)x) : x / y)
BIN(div_u64, u64, u64, u64, 64, y ? x / y : ~0ull)
BIN(div_s64, s64, s64, s64, 64, y == 0 ? -1 : y == -1 ? (s64)(0ull - (u64)x) : x / y)
BIN(rem_u16, u16, u16, u16, 16, y ? x % y : x)
BIN(rem_s16, s16, s16, s16, 16, y ? x % y : x)
BIN(rem_u32, u32, u32, u32, 32, y ? x % y : x)
BIN(rem_s32, s32, s32, s32, 32, y == 0 ? x : y == -1 ? 0 : x % y)
BIN(rem_u64, u64, u64, u64, 64, y ? x % y : x)
BIN(rem_s64, s64, s64, s64, 64, y == 0 ? x : y == -1 ? 0 : x % y)

#define MINMAX(T, B)                                                                               \
    BIN(min_##T, T, T, T, B, x < y ? x : y)                                                        \
    BIN(max_##T, T, T, T, B, x > y ? x : y)
MINMAX(u16, 16)
MINMAX(s16, 16)
MINMAX(u32, 32)
MINMAX(s32, 32)
MINMAX(u64, 64)
MINMAX(s64, 64)
BIN(max_relu, s32, s32, s32, 32, (x > y ? x : y) > 0 ? (x > y ? x : y) : 0)

UN(abs16, u16, s16, 16, x < 0 ? -x : x)
UN(abs32, u32, s32, 32, x < 0 ? 0u - (u32)x : (u32)x)
UN(abs64, u64, s64, 64, x < 0 ? 0ull - (u64)x : (u64)x)
UN(neg16, u16, u16, 16, 0 - x)
UN(neg32, u32, u32, 32, 0u - x)
UN(neg64, u64, u64, 64, 0ull - x)
UN(popc32, u32, u32, 32, __builtin_popcount(x))
UN(popc64, u32, u64, 32, __builtin_popcountll(x))
UN(clz32, u32, u32, 32, x ? __builtin_clz(x) : 32)
UN(clz64, u32, u64, 32, x ? __builtin_clzll(x) : 64)
/* clang-format on */

static u32 reverse32(u32 x) {
    x = (x & 0x55555555u) << 1 | (x >> 1 & 0x55555555u);
    x = (x & 0x33333333u) << 2 | (x >> 2 & 0x33333333u);
    x = (x & 0x0f0f0f0fu) << 4 | (x >> 4 & 0x0f0f0f0fu);
    return __builtin_bswap32(x);
}
UN(brev32, u32, u32, 32, reverse32(x))
UN(brev64, u64, u64, 64, (u64)reverse32((u32)x) << 32 | reverse32((u32)(x >> 32)))

static u32 find_bit(u64 x, u32 bits, bool is_signed, bool shift) {
    if (is_signed && x >> (bits - 1) & 1) {
        x = ~x;
    }
    if (bits == 32) {
        x &= FULL;
    }
    if (!x) {
        return ~0u;
    }
    u32 at = 63 - (u32)__builtin_clzll(x);
    return shift ? bits - 1 - at : at;
}
UN(bfind_u32, u32, u32, 32, find_bit(x, 32, false, false))
UN(bfind_s32, u32, u32, 32, find_bit(x, 32, true, false))
UN(bfind_u64, u32, u64, 32, find_bit(x, 64, false, false))
UN(bfind_s64, u32, u64, 32, find_bit(x, 64, true, false))
UN(bfind_shift_u32, u32, u32, 32, find_bit(x, 32, false, true))
UN(bfind_shift_s32, u32, u32, 32, find_bit(x, 32, true, true))
UN(bfind_shift_u64, u32, u64, 32, find_bit(x, 64, false, true))
UN(bfind_shift_s64, u32, u64, 32, find_bit(x, 64, true, true))

static u64 extract(u64 x, u32 pos, u32 len, u32 bits, bool is_signed) {
    pos &= 255;
    len &= 255;
    u32 top = pos + len - 1 < bits - 1 ? pos + len - 1 : bits - 1;
    u64 sign = is_signed && len ? x >> top & 1 : 0;
    u64 r = pos < bits ? x >> pos : 0;
    if (pos < bits && len < 64) {
        r &= (1ull << len) - 1;
    } else if (pos >= bits) {
        r = 0;
    }
    u32 got = pos >= bits ? 0 : pos + len > bits ? bits - pos : len;
    if (sign && got < 64) {
        r |= ~0ull << got;
    }
    return len ? r : 0;
}
TER(bfe_u32, u32, u32, u32, u32, 32, extract(x, y, z, 32, false))
TER(bfe_s32, u32, u32, u32, u32, 32, extract(x, y, z, 32, true))
TER(bfe_u64, u64, u64, u32, u32, 64, extract(x, y, z, 64, false))
TER(bfe_s64, u64, u64, u32, u32, 64, extract(x, y, z, 64, true))

static u64 insert(u64 x, u64 into, u32 pos, u32 len, u32 bits) {
    pos &= 255;
    len &= 255;
    if (!len || pos >= bits) {
        return into;
    }
    u64 m = (len < 64 ? (1ull << len) - 1 : ~0ull) << pos;
    return (into & ~m) | (x << pos & m);
}
static void bfi32(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(u32, a, 1);
    OPERAND(u32, b, 2);
    OPERAND(u32, c, 3);
    OPERAND(u32, d, 4);
    u32 t[LANES];
    LOOP t[l] = (u32)insert(a[l], b[l], c[l], d[l], 32);
    RESULT32(t);
}
static void bfi64(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(u64, a, 1);
    OPERAND(u64, b, 2);
    OPERAND(u32, c, 3);
    OPERAND(u32, d, 4);
    u64 t[LANES];
    LOOP t[l] = insert(a[l], b[l], c[l], d[l], 64);
    RESULT64(t);
}

#define LOGIC(name, OP)                                                                            \
    BIN(name##16, u16, u16, u16, 16, x OP y)                                                       \
    BIN(name##32, u32, u32, u32, 32, x OP y)                                                       \
    BIN(name##64, u64, u64, u64, 64, x OP y)                                                       \
    static void name##_p(struct warp *w, const struct insn *i, u32 mask) {                         \
        put_pred(w, i, 0, pred(w, i, 1) OP pred(w, i, 2), mask);                                   \
    }
LOGIC(and, &)
LOGIC(or, |)
LOGIC(xor, ^)
UN(not16, u16, u16, 16, ~x)
UN(not32, u32, u32, 32, ~x)
UN(not64, u64, u64, 64, ~x)
UN(cnot32, u32, u32, 32, x == 0)
static void not_p(struct warp *w, const struct insn *i, u32 mask) {
    put_pred(w, i, 0, ~pred(w, i, 1), mask);
}
static void mov_p(struct warp *w, const struct insn *i, u32 mask) {
    put_pred(w, i, 0, pred(w, i, 1), mask);
}

BIN(shl16, u16, u16, u32, 16, y > 15 ? 0 : x << y)
BIN(shl32, u32, u32, u32, 32, y > 31 ? 0 : x << y)
BIN(shl64, u64, u64, u32, 64, y > 63 ? 0 : x << y)
BIN(shr_u16, u16, u16, u32, 16, y > 15 ? 0 : x >> y)
BIN(shr_u32, u32, u32, u32, 32, y > 31 ? 0 : x >> y)
BIN(shr_u64, u64, u64, u32, 64, y > 63 ? 0 : x >> y)
BIN(shr_s16, s16, s16, u32, 16, x >> (y > 15 ? 15 : y))
BIN(shr_s32, s32, s32, u32, 32, x >> (y > 31 ? 31 : y))
BIN(shr_s64, s64, s64, u32, 64, x >> (y > 63 ? 63 : y))
TER(shf_l_wrap, u32, u32, u32, u32, 32, (u64)(((u64)y << 32 | x) << (z & 31)) >> 32)
TER(shf_r_wrap, u32, u32, u32, u32, 32, ((u64)y << 32 | x) >> (z & 31))
TER(shf_l_clamp, u32, u32, u32, u32, 32, z >= 32 ? x : (u32)((((u64)y << 32 | x) << z) >> 32))
TER(shf_r_clamp, u32, u32, u32, u32, 32, ((u64)y << 32 | x) >> (z > 32 ? 32 : z))

static u32 permute(u32 a, u32 b, u32 sel) {
    u64 v = (u64)b << 32 | a;
    u32 r = 0;
    for (int k = 0; k < 4; k++) {
        u32 s = sel >> 4 * k & 15;
        u32 byte = (u32)(v >> 8 * (s & 7)) & 255;
        if (s & 8) {
            byte = byte & 128 ? 255 : 0;
        }
        r |= byte << 8 * k;
    }
    return r;
}
TER(prmt, u32, u32, u32, u32, 32, permute(x, y, z))

static void lop3(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(u32, a, 1);
    OPERAND(u32, b, 2);
    OPERAND(u32, c, 3);
    u32 table = *(u32 *)(w->rf + i->r[4]), t[LANES];
    LOOP {
        u32 r = 0;
        for (u32 k = 0; k < 8; k++) {
            u32 pick = (k & 4 ? a[l] : ~a[l]) & (k & 2 ? b[l] : ~b[l]) & (k & 1 ? c[l] : ~c[l]);
            r |= table >> k & 1 ? pick : 0;
        }
        t[l] = r;
    }
    RESULT32(t);
}

static u32 dot4(u32 a, u32 b, u32 c, bool sa, bool sb) {
    for (int k = 0; k < 32; k += 8) {
        s32 x = sa ? (s8)(a >> k) : (s32)(u8)(a >> k), y = sb ? (s8)(b >> k) : (s32)(u8)(b >> k);
        c += (u32)(x * y);
    }
    return c;
}
TER(dp4a_uu, u32, u32, u32, u32, 32, dot4(x, y, z, false, false))
TER(dp4a_us, u32, u32, u32, u32, 32, dot4(x, y, z, false, true))
TER(dp4a_su, u32, u32, u32, u32, 32, dot4(x, y, z, true, false))
TER(dp4a_ss, u32, u32, u32, u32, 32, dot4(x, y, z, true, true))

UN(mov16, u16, u16, 16, x)
UN(mov32, u32, u32, 32, x)
UN(mov64, u64, u64, 64, x)

#define SEL(BITS, T)                                                                               \
    static void selp##BITS(struct warp *w, const struct insn *i, u32 mask) {                       \
        OPERAND(T, a, 1);                                                                          \
        OPERAND(T, b, 2);                                                                          \
        u32 p = pred(w, i, 3);                                                                     \
        T t[LANES];                                                                                \
        LOOP t[l] = p >> l & 1 ? a[l] : b[l];                                                      \
        RESULT##BITS(t);                                                                           \
    }
/* clang-format off */
SEL(16, u16)
SEL(32, u32)
SEL(64, u64)
TER(slct_s32, u32, u32, u32, s32, 32, z >= 0 ? x : y)
TER(slct_f32, u32, u32, u32, f32, 32, z >= 0 ? x : y)
TER(slct64_s32, u64, u64, u64, s32, 64, z >= 0 ? x : y)
/* clang-format on */

/* add with carry: the carry is a bit of a lane */
#define CARRY(name, T, WIDE, BITS, EXPR, OUT)                                                      \
    static void name(struct warp *w, const struct insn *i, u32 mask) {                             \
        OPERAND(T, a, 1);                                                                          \
        OPERAND(T, b, 2);                                                                          \
        T t[LANES];                                                                                \
        u32 carry = 0;                                                                             \
        LOOP {                                                                                     \
            WIDE x = a[l], y = b[l], in = w->carry >> l & 1, v = EXPR;                             \
            (void)in;                                                                              \
            t[l] = (T)v;                                                                           \
            carry |= (u32)(v >> (sizeof(T) * 8) & 1) << l;                                         \
        }                                                                                          \
        if (OUT) {                                                                                 \
            w->carry = (w->carry & ~mask) | (carry & mask);                                        \
        }                                                                                          \
        RESULT##BITS(t);                                                                           \
    }
typedef unsigned __int128 u128;
CARRY(addcc32, u32, u64, 32, x + y, 1)
CARRY(addc32, u32, u64, 32, x + y + in, 0)
CARRY(addccc32, u32, u64, 32, x + y + in, 1)
CARRY(subcc32, u32, u64, 32, x - y, 1)
CARRY(subc32, u32, u64, 32, x - y - in, 0)
CARRY(subccc32, u32, u64, 32, x - y - in, 1)
CARRY(addcc64, u64, u128, 64, x + y, 1)
CARRY(addc64, u64, u128, 64, x + y + in, 0)
CARRY(subcc64, u64, u128, 64, x - y, 1)
CARRY(subc64, u64, u128, 64, x - y - in, 0)

#define US(n, t, s, f)                                                                             \
    {n ".u" t, s, f, 0}, {                                                                         \
        n ".s" t, s, f, 0                                                                          \
    }
#define BUSF(n, t, s, f)                                                                           \
    {n ".b" t, s, f, 0}, {n ".u" t, s, f, 0}, {n ".s" t, s, f, 0}, {                               \
        n ".f" t, s, f, 0                                                                          \
    }
#define SIGNED3(n, f)                                                                              \
    {n ".u16", "hhh", f##_u16, 0}, {n ".s16", "hhh", f##_s16, 0}, {n ".u32", "www", f##_u32, 0},   \
        {n ".s32", "www", f##_s32, 0}, {n ".u64", "ddd", f##_u64, 0}, {                            \
        n ".s64", "ddd", f##_s64, 0                                                                \
    }

const struct opdef ops_int[] = {US("add", "16", "hhh", add16),
                                US("add", "32", "www", add32),
                                US("add", "64", "ddd", add64),
                                US("sub", "16", "hhh", sub16),
                                US("sub", "32", "www", sub32),
                                US("sub", "64", "ddd", sub64),
                                US("mul.lo", "16", "hhh", mul16),
                                US("mul.lo", "32", "www", mul32),
                                US("mul.lo", "64", "ddd", mul64),
                                SIGNED3("mul.hi", mulhi),
                                SIGNED3("div", div),
                                SIGNED3("rem", rem),
                                SIGNED3("min", min),
                                SIGNED3("max", max),
                                {"max.relu.s32", "www", max_relu, 0},
                                {"add.sat.s32", "www", add_sat, F_SAT},
                                {"sub.sat.s32", "www", sub_sat, F_SAT},
                                {"mul24.lo.u32", "www", mul24_u, 0},
                                {"mul24.lo.s32", "www", mul24_s, 0},
                                {"mul.wide.u16", "whh", wide_u16, 0},
                                {"mul.wide.s16", "whh", wide_s16, 0},
                                {"mul.wide.u32", "dww", wide_u32, 0},
                                {"mul.wide.s32", "dww", wide_s32, 0},
                                US("mad.lo", "16", "hhhh", mad16),
                                US("mad.lo", "32", "wwww", mad32),
                                US("mad.lo", "64", "dddd", mad64),
                                {"mad.hi.u32", "wwww", madhi_u32, 0},
                                {"mad.hi.s32", "wwww", madhi_s32, 0},
                                {"mad.hi.u64", "dddd", madhi_u64, 0},
                                {"mad.wide.u16", "whhw", madwide_u16, 0},
                                {"mad.wide.s16", "whhw", madwide_s16, 0},
                                {"mad.wide.u32", "dwwd", madwide_u32, 0},
                                {"mad.wide.s32", "dwwd", madwide_s32, 0},
                                {"sad.u32", "wwww", sad_u32, 0},
                                {"sad.s32", "wwww", sad_s32, 0},
                                {"abs.s16", "hh", abs16, 0},
                                {"abs.s32", "ww", abs32, 0},
                                {"abs.s64", "dd", abs64, 0},
                                {"neg.s16", "hh", neg16, 0},
                                {"neg.s32", "ww", neg32, 0},
                                {"neg.s64", "dd", neg64, 0},
                                {"popc.b32", "ww", popc32, 0},
                                {"popc.b64", "wd", popc64, 0},
                                {"clz.b32", "ww", clz32, 0},
                                {"clz.b64", "wd", clz64, 0},
                                {"brev.b32", "ww", brev32, 0},
                                {"brev.b64", "dd", brev64, 0},
                                {"bfind.u32", "ww", bfind_u32, 0},
                                {"bfind.s32", "ww", bfind_s32, 0},
                                {"bfind.u64", "wd", bfind_u64, 0},
                                {"bfind.s64", "wd", bfind_s64, 0},
                                {"bfind.shiftamt.u32", "ww", bfind_shift_u32, 0},
                                {"bfind.shiftamt.s32", "ww", bfind_shift_s32, 0},
                                {"bfind.shiftamt.u64", "wd", bfind_shift_u64, 0},
                                {"bfind.shiftamt.s64", "wd", bfind_shift_s64, 0},
                                {"bfe.u32", "wwww", bfe_u32, 0},
                                {"bfe.s32", "wwww", bfe_s32, 0},
                                {"bfe.u64", "ddww", bfe_u64, 0},
                                {"bfe.s64", "ddww", bfe_s64, 0},
                                {"bfi.b32", "wwwww", bfi32, 0},
                                {"bfi.b64", "dddww", bfi64, 0},
                                {"and.b16", "hhh", and16, 0},
                                {"and.b32", "www", and32, 0},
                                {"and.b64", "ddd", and64, 0},
                                {"and.pred", "ppp", and_p, 0},
                                {"or.b16", "hhh", or16, 0},
                                {"or.b32", "www", or32, 0},
                                {"or.b64", "ddd", or64, 0},
                                {"or.pred", "ppp", or_p, 0},
                                {"xor.b16", "hhh", xor16, 0},
                                {"xor.b32", "www", xor32, 0},
                                {"xor.b64", "ddd", xor64, 0},
                                {"xor.pred", "ppp", xor_p, 0},
                                {"not.b16", "hh", not16, 0},
                                {"not.b32", "ww", not32, 0},
                                {"not.b64", "dd", not64, 0},
                                {"not.pred", "pp", not_p, 0},
                                {"cnot.b32", "ww", cnot32, 0},
                                {"mov.pred", "pp", mov_p, 0},
                                {"shl.b16", "hhw", shl16, 0},
                                {"shl.b32", "www", shl32, 0},
                                {"shl.b64", "ddw", shl64, 0},
                                {"shr.b16", "hhw", shr_u16, 0},
                                {"shr.b32", "www", shr_u32, 0},
                                {"shr.b64", "ddw", shr_u64, 0},
                                {"shr.u16", "hhw", shr_u16, 0},
                                {"shr.u32", "www", shr_u32, 0},
                                {"shr.u64", "ddw", shr_u64, 0},
                                {"shr.s16", "hhw", shr_s16, 0},
                                {"shr.s32", "www", shr_s32, 0},
                                {"shr.s64", "ddw", shr_s64, 0},
                                {"shf.l.wrap.b32", "wwww", shf_l_wrap, 0},
                                {"shf.r.wrap.b32", "wwww", shf_r_wrap, 0},
                                {"shf.l.clamp.b32", "wwww", shf_l_clamp, 0},
                                {"shf.r.clamp.b32", "wwww", shf_r_clamp, 0},
                                {"prmt.b32", "wwww", prmt, 0},
                                {"lop3.b32", "wwwww", lop3, 0},
                                {"dp4a.u32.u32", "wwww", dp4a_uu, 0},
                                {"dp4a.u32.s32", "wwww", dp4a_us, 0},
                                {"dp4a.s32.u32", "wwww", dp4a_su, 0},
                                {"dp4a.s32.s32", "wwww", dp4a_ss, 0},
                                BUSF("mov", "16", "hh", mov16),
                                BUSF("mov", "32", "ww", mov32),
                                BUSF("mov", "64", "dd", mov64),
                                {"mov.bf16", "hh", mov16, 0},
                                {"mov.f16x2", "ww", mov32, 0},
                                {"mov.bf16x2", "ww", mov32, 0},
                                BUSF("selp", "16", "hhhp", selp16),
                                BUSF("selp", "32", "wwwp", selp32),
                                BUSF("selp", "64", "dddp", selp64),
                                {"slct.b32.s32", "wwww", slct_s32, 0},
                                {"slct.u32.s32", "wwww", slct_s32, 0},
                                {"slct.s32.s32", "wwww", slct_s32, 0},
                                {"slct.f32.s32", "wwww", slct_s32, 0},
                                {"slct.b32.f32", "wwww", slct_f32, 0},
                                {"slct.f32.f32", "wwww", slct_f32, 0},
                                {"slct.b64.s32", "dddw", slct64_s32, 0},
                                {"slct.s64.s32", "dddw", slct64_s32, 0},
                                {"slct.u64.s32", "dddw", slct64_s32, 0},
                                US("add.cc", "32", "www", addcc32),
                                US("addc", "32", "www", addc32),
                                US("addc.cc", "32", "www", addccc32),
                                US("sub.cc", "32", "www", subcc32),
                                US("subc", "32", "www", subc32),
                                US("subc.cc", "32", "www", subccc32),
                                US("add.cc", "64", "ddd", addcc64),
                                US("addc", "64", "ddd", addc64),
                                US("sub.cc", "64", "ddd", subcc64),
                                US("subc", "64", "ddd", subc64),
                                {"cvta.to.global.u64", "dd", mov64, 0},
                                {"cvta.global.u64", "dd", mov64, 0},
                                {"cvta.to.const.u64", "dd", mov64, 0},
                                {"cvta.const.u64", "dd", mov64, 0},
                                {NULL, NULL, NULL, 0}};
