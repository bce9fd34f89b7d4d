/*
 * Floating point of 32 and 64 bits; comparisons; the approximations. Built without contraction
 * of products and sums, and with -frounding-math for the directed roundings.
 */
#include "ops.h"

#include <fenv.h>
#include <math.h>

static inline f32 flush(f32 x) {
    union {
        f32 f;
        u32 u;
    } v = {.f = x};
    v.u = v.u & 0x7f800000u ? v.u : v.u & 0x80000000u;
    return v.f;
}
static inline f32 saturate(f32 x) {
    return x > 0 ? (x < 1 ? x : 1) : 0;
}

static void set_rounding(u32 flags) {
    fesetround(flags & F_RZ   ? FE_TOWARDZERO
               : flags & F_RM ? FE_DOWNWARD
               : flags & F_RP ? FE_UPWARD
                              : FE_TONEAREST);
}

/* T values a..c become x..z; flags are looked at outside of the loop. */
#define FLOAT_OP(name, T, BITS, N, EXPR, FLUSH, SAT)                                               \
    __attribute__((noinline)) static void name##_loop(struct warp *w, const struct insn *i,        \
                                                      u32 mask) {                                  \
        OPERAND(T, a, 1);                                                                          \
        OPERAND(T, b, N > 1 ? 2 : 1);                                                              \
        OPERAND(T, c, N > 2 ? 3 : 1);                                                              \
        T t[LANES];                                                                                \
        if (!(i->flags & (F_FTZ | F_SAT))) {                                                       \
            LOOP {                                                                                 \
                T x = a[l], y = b[l], z = c[l];                                                    \
                (void)y, (void)z;                                                                  \
                t[l] = EXPR;                                                                       \
            }                                                                                      \
        } else {                                                                                   \
            bool f = i->flags & F_FTZ, s = i->flags & F_SAT;                                       \
            LOOP {                                                                                 \
                T x = f ? FLUSH(a[l]) : a[l], y = f ? FLUSH(b[l]) : b[l];                          \
                T z = f ? FLUSH(c[l]) : c[l];                                                      \
                (void)y, (void)z;                                                                  \
                T r = EXPR;                                                                        \
                r = f ? FLUSH(r) : r;                                                              \
                t[l] = s ? SAT(r) : r;                                                             \
            }                                                                                      \
        }                                                                                          \
        RESULT##BITS(t);                                                                           \
    }                                                                                              \
    static void name(struct warp *w, const struct insn *i, u32 mask) {                             \
        if (i->flags & F_ROUND) {                                                                  \
            set_rounding(i->flags);                                                                \
            name##_loop(w, i, mask);                                                               \
            set_rounding(0);                                                                       \
        } else {                                                                                   \
            name##_loop(w, i, mask);                                                               \
        }                                                                                          \
    }
#define F32(name, N, EXPR) FLOAT_OP(name, f32, 32, N, EXPR, flush, saturate)
#define SAME(x)            (x)
#define F64(name, N, EXPR) FLOAT_OP(name, f64, 64, N, EXPR, SAME, SAME)

F32(add_f32, 2, x + y)
F32(sub_f32, 2, x - y)
F32(mul_f32, 2, x *y)
F32(fma_f32, 3, fmaf(x, y, z))
F32(div_f32, 2, x / y)
F32(rcp_f32, 1, 1.0f / x)
F32(sqrt_f32, 1, sqrtf(x))
F32(abs_f32, 1, fabsf(x))
F32(neg_f32, 1, -x)
F64(add_f64, 2, x + y)
F64(sub_f64, 2, x - y)
F64(mul_f64, 2, x *y)
F64(fma_f64, 3, fma(x, y, z))
F64(div_f64, 2, x / y)
F64(rcp_f64, 1, 1.0 / x)
F64(sqrt_f64, 1, sqrt(x))
F64(abs_f64, 1, fabs(x))
F64(neg_f64, 1, -x)
F64(rsqrt_f64, 1, 1.0 / sqrt(x))
F64(min_f64, 2, x != x ? y : y != y ? x : x < y || (x == y && signbit(x)) ? x : y)
F64(max_f64, 2, x != x ? y : y != y ? x : x > y || (x == y && !signbit(x)) ? x : y)
F64(copysign_f64, 2, copysign(y, x))

#define MINMAX_F32(name, OP, ZERO)                                                                 \
    static inline f32 name##_one(f32 x, f32 y) {                                                   \
        f32 r = x OP y || (x == y && ZERO(x)) ? x : y;                                             \
        r = x != x ? y : r;                                                                        \
        return y != y ? x : r;                                                                     \
    }                                                                                              \
    F32(name, 2, name##_one(x, y))                                                                 \
    F32(name##_nan, 2, x != x || y != y ? NAN : name##_one(x, y))
#define POSITIVE(x) (!signbit(x))
MINMAX_F32(min_f32, <, signbit)
MINMAX_F32(max_f32, >, POSITIVE)
F32(max3_f32, 3, max_f32_one(max_f32_one(x, y), z))
F32(min3_f32, 3, min_f32_one(min_f32_one(x, y), z))

static void copysign_f32(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(u32, a, 1);
    OPERAND(u32, b, 2);
    u32 t[LANES];
    LOOP t[l] = (b[l] & 0x7fffffffu) | (a[l] & 0x80000000u);
    RESULT32(t);
}

/* ---- approximations ----------------------------------------------------------------------- */

static inline f32 exp2_near(f32 x) {
    f32 v = x > -252 ? x : -252;
    v = v < 252 ? v : 252;
    f32 n = v + 12582912.0f - 12582912.0f; /* to the nearest integer */
    f32 f = v - n;
    s32 k = (s32)n, h = k >> 1;
    f32 p = 1.525273380e-5f;
    p = fmaf(p, f, 1.540353039e-4f);
    p = fmaf(p, f, 1.333355815e-3f);
    p = fmaf(p, f, 9.618129108e-3f);
    p = fmaf(p, f, 5.550410866e-2f);
    p = fmaf(p, f, 2.402265070e-1f);
    p = fmaf(p, f, 6.931471806e-1f);
    p = fmaf(p, f, 1.0f);
    union {
        u32 u;
        f32 f;
    } a = {.u = (u32)(h + 127) << 23}, b = {.u = (u32)(k - h + 127) << 23};
    f32 r = p * a.f * b.f;
    return x != x ? x : r;
}

static void add_noise(struct warp *w, f32 *t, f32 size) {
    LOOP {
        f32 r = (f32)(s32)(random_next(&w->rng) >> 32) * 0x1p-31f;
        t[l] += t[l] - t[l] == 0 ? t[l] * r * size : 0; /* infinity stays */
    }
}

#define APPROX(name, N, EXPR, NOISE)                                                               \
    void name(struct warp *w, const struct insn *i, u32 mask) {                                    \
        OPERAND(f32, a, 1);                                                                        \
        OPERAND(f32, b, N > 1 ? 2 : 1);                                                            \
        f32 t[LANES];                                                                              \
        bool f = i->flags & F_FTZ;                                                                 \
        LOOP {                                                                                     \
            f32 x = f ? flush(a[l]) : a[l], y = f ? flush(b[l]) : b[l];                            \
            (void)y;                                                                               \
            t[l] = EXPR;                                                                           \
        }                                                                                          \
        if (opt.noise) {                                                                           \
            add_noise(w, t, NOISE);                                                                \
        }                                                                                          \
        if (f) {                                                                                   \
            LOOP t[l] = flush(t[l]);                                                               \
        }                                                                                          \
        RESULT32(t);                                                                               \
    }
APPROX(op_ex2, 1, exp2_near(x), 0x1p-22f)
APPROX(op_lg2, 1, log2f(x), 0x1p-22f)
APPROX(op_sin, 1, sinf(x), 0x1p-21f)
APPROX(op_cos, 1, cosf(x), 0x1p-21f)
APPROX(op_tanh, 1, tanhf(x), 0x1p-11f)
APPROX(op_rcp, 1, 1.0f / x, 0x1p-23f)
APPROX(op_rsqrt, 1, (f32)(1.0 / sqrt((f64)x)), 0x1p-22f)
APPROX(op_sqrt_approx, 1, sqrtf(x), 0x1p-22f)
APPROX(op_div_approx, 2, x / y, 0x1p-22f)

static void rcp_f64_approx(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(f64, a, 1);
    f64 t[LANES];
    LOOP t[l] = 1.0 / a[l];
    RESULT64(t);
}

static void testp(struct warp *w, const struct insn *i, u32 mask) {
    OPERAND(f32, a, 1);
    u8 t[LANES];
    LOOP {
        int c = fpclassify(a[l]);
        t[l] = i->kind == 0   ? isfinite(a[l])
               : i->kind == 1 ? c == FP_INFINITE
               : i->kind == 2 ? c != FP_NAN
               : i->kind == 3 ? c == FP_NAN
               : i->kind == 4 ? c == FP_NORMAL
                              : c == FP_SUBNORMAL || c == FP_ZERO;
    }
    put_pred(w, i, 0, pack_bits(t), mask);
}

/* ---- comparisons -------------------------------------------------------------------------- */

static void put_compare(struct warp *w, const struct insn *i, const u8 *t, u32 mask) {
    u32 v = pack_bits(t), other = ~v;
    if (i->kind) {
        u32 c = pred(w, i, i->nd + 2);
        v = i->kind == 1 ? v & c : i->kind == 2 ? v | c : v ^ c;
        other = i->kind == 1 ? other & c : i->kind == 2 ? other | c : other ^ c;
    }
    put_pred(w, i, 0, v, mask);
    if (i->nd == 2) {
        put_pred(w, i, 1, other, mask);
    }
}

#define COMPARE(name, T, LOAD, EXPR)                                                               \
    __attribute__((unused)) static void name(struct warp *w, const struct insn *i, u32 mask) {     \
        OPERAND(T, a, i->nd);                                                                      \
        OPERAND(T, b, i->nd + 1);                                                                  \
        u8 t[LANES];                                                                               \
        bool ftz = i->flags & F_FTZ;                                                               \
        (void)ftz;                                                                                 \
        LOOP {                                                                                     \
            __auto_type x = LOAD(a[l]);                                                            \
            __auto_type y = LOAD(b[l]);                                                            \
            t[l] = EXPR;                                                                           \
        }                                                                                          \
        put_compare(w, i, t, mask);                                                                \
    }
#define ORDERED_SET(T, TT, LOAD)                                                                   \
    COMPARE(eq_##T, TT, LOAD, x == y)                                                              \
    COMPARE(ne_##T, TT, LOAD, x != y)                                                              \
    COMPARE(lt_##T, TT, LOAD, x < y)                                                               \
    COMPARE(le_##T, TT, LOAD, x <= y)                                                              \
    COMPARE(gt_##T, TT, LOAD, x > y)                                                               \
    COMPARE(ge_##T, TT, LOAD, x >= y)
#define UNORDERED_SET(T, TT, LOAD)                                                                 \
    COMPARE(equ_##T, TT, LOAD, !(x < y || x > y))                                                  \
    COMPARE(neu_##T, TT, LOAD, x != y)                                                             \
    COMPARE(ltu_##T, TT, LOAD, !(x >= y))                                                          \
    COMPARE(leu_##T, TT, LOAD, !(x > y))                                                           \
    COMPARE(gtu_##T, TT, LOAD, !(x <= y))                                                          \
    COMPARE(geu_##T, TT, LOAD, !(x < y))                                                           \
    COMPARE(num_##T, TT, LOAD, x == x && y == y)                                                   \
    COMPARE(nan_##T, TT, LOAD, x != x || y != y)                                                   \
    COMPARE(nef_##T, TT, LOAD, x<y || x> y)
#define FLUSHED(v) (ftz ? flush(v) : (v))
/* clang-format off */
ORDERED_SET(u16, u16, SAME)
ORDERED_SET(s16, s16, SAME)
ORDERED_SET(u32, u32, SAME)
ORDERED_SET(s32, s32, SAME)
ORDERED_SET(u64, u64, SAME)
ORDERED_SET(s64, s64, SAME)
ORDERED_SET(f32, f32, FLUSHED)
ORDERED_SET(f64, f64, SAME)
ORDERED_SET(f16, u16, f16_to_f32)
ORDERED_SET(bf16, u16, bf16_to_f32)
UNORDERED_SET(f32, f32, FLUSHED)
UNORDERED_SET(f64, f64, SAME)
UNORDERED_SET(f16, u16, f16_to_f32)
UNORDERED_SET(bf16, u16, bf16_to_f32)
/* clang-format on */

#define INT_ROWS(T, s)                                                                             \
    {"setp.eq." #T, s, eq_##T, 0}, {"setp.ne." #T, s, ne_##T, 0}, {"setp.lt." #T, s, lt_##T, 0},   \
        {"setp.le." #T, s, le_##T, 0}, {"setp.gt." #T, s, gt_##T, 0}, {                            \
        "setp.ge." #T, s, ge_##T, 0                                                                \
    }
#define BIT_ROWS(B, T, s)                                                                          \
    {"setp.eq." B, s, eq_##T, 0}, {"setp.ne." B, s, ne_##T, 0}, {"setp.lo." #T, s, lt_##T, 0},     \
        {"setp.ls." #T, s, le_##T, 0}, {"setp.hi." #T, s, gt_##T, 0}, {                            \
        "setp.hs." #T, s, ge_##T, 0                                                                \
    }
#define FLOAT_ROWS(T, s, f)                                                                        \
    {"setp.eq." #T, s, eq_##T, f}, {"setp.ne." #T, s, nef_##T, f}, {"setp.lt." #T, s, lt_##T, f},  \
        {"setp.le." #T, s, le_##T, f}, {"setp.gt." #T, s, gt_##T, f},                              \
        {"setp.ge." #T, s, ge_##T, f}, {"setp.equ." #T, s, equ_##T, f},                            \
        {"setp.neu." #T, s, neu_##T, f}, {"setp.ltu." #T, s, ltu_##T, f},                          \
        {"setp.leu." #T, s, leu_##T, f}, {"setp.gtu." #T, s, gtu_##T, f},                          \
        {"setp.geu." #T, s, geu_##T, f}, {"setp.num." #T, s, num_##T, f}, {                        \
        "setp.nan." #T, s, nan_##T, f                                                              \
    }
#define ALL (F_FTZ | F_SAT | F_ROUND)

const struct opdef ops_float[] = {{"add.f32", "www", add_f32, ALL},
                                  {"sub.f32", "www", sub_f32, ALL},
                                  {"mul.f32", "www", mul_f32, ALL},
                                  {"fma.f32", "wwww", fma_f32, ALL},
                                  {"mad.f32", "wwww", fma_f32, ALL},
                                  {"div.f32", "www", div_f32, F_FTZ | F_ROUND},
                                  {"rcp.f32", "ww", rcp_f32, F_FTZ | F_ROUND},
                                  {"sqrt.f32", "ww", sqrt_f32, F_FTZ | F_ROUND},
                                  {"abs.f32", "ww", abs_f32, F_FTZ},
                                  {"neg.f32", "ww", neg_f32, F_FTZ},
                                  {"min.f32", "www", min_f32, F_FTZ},
                                  {"max.f32", "www", max_f32, F_FTZ},
                                  {"min.NaN.f32", "www", min_f32_nan, F_FTZ},
                                  {"max.NaN.f32", "www", max_f32_nan, F_FTZ},
                                  {"max3.f32", "wwww", max3_f32, F_FTZ},
                                  {"min3.f32", "wwww", min3_f32, F_FTZ},
                                  {"copysign.f32", "www", copysign_f32, 0},
                                  {"add.f64", "ddd", add_f64, F_ROUND},
                                  {"sub.f64", "ddd", sub_f64, F_ROUND},
                                  {"mul.f64", "ddd", mul_f64, F_ROUND},
                                  {"fma.f64", "dddd", fma_f64, F_ROUND},
                                  {"div.f64", "ddd", div_f64, F_ROUND},
                                  {"rcp.f64", "dd", rcp_f64, F_ROUND},
                                  {"sqrt.f64", "dd", sqrt_f64, F_ROUND},
                                  {"abs.f64", "dd", abs_f64, 0},
                                  {"neg.f64", "dd", neg_f64, 0},
                                  {"min.f64", "ddd", min_f64, 0},
                                  {"max.f64", "ddd", max_f64, 0},
                                  {"copysign.f64", "ddd", copysign_f64, 0},
                                  {"rcp.approx.f64", "dd", rcp_f64_approx, F_FTZ},
                                  {"rsqrt.approx.f64", "dd", rsqrt_f64, F_FTZ},
                                  {"ex2.approx.f32", "ww", op_ex2, F_FTZ},
                                  {"lg2.approx.f32", "ww", op_lg2, F_FTZ},
                                  {"sin.approx.f32", "ww", op_sin, F_FTZ},
                                  {"cos.approx.f32", "ww", op_cos, F_FTZ},
                                  {"tanh.approx.f32", "ww", op_tanh, 0},
                                  {"rcp.approx.f32", "ww", op_rcp, F_FTZ},
                                  {"rsqrt.approx.f32", "ww", op_rsqrt, F_FTZ},
                                  {"sqrt.approx.f32", "ww", op_sqrt_approx, F_FTZ},
                                  {"div.approx.f32", "www", op_div_approx, F_FTZ},
                                  {"div.full.f32", "www", op_div_approx, F_FTZ},
                                  {"testp.f32", "pw", testp, 0},
                                  INT_ROWS(u16, "phh"),
                                  INT_ROWS(s16, "phh"),
                                  INT_ROWS(u32, "pww"),
                                  INT_ROWS(s32, "pww"),
                                  INT_ROWS(u64, "pdd"),
                                  INT_ROWS(s64, "pdd"),
                                  BIT_ROWS("b16", u16, "phh"),
                                  BIT_ROWS("b32", u32, "pww"),
                                  BIT_ROWS("b64", u64, "pdd"),
                                  FLOAT_ROWS(f32, "pww", F_FTZ),
                                  FLOAT_ROWS(f64, "pdd", 0),
                                  FLOAT_ROWS(f16, "phh", F_FTZ),
                                  FLOAT_ROWS(bf16, "phh", 0),
                                  {NULL, NULL, NULL, 0}};
