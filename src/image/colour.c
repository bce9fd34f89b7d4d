/*
 * Colours to sRGB through LittleCMS.
 *
 * Whatever a file says becomes a profile, and the profile a transform of bytes.  Whether a profile
 * is sRGB is asked of the transform, not of its name: a grid of colours that comes out as it went in,
 * but for rounding, is one.
 *
 * LittleCMS crashes where memory is refused to it, and forgets blocks.  So it gets memory of ours, from a
 * piece that is taken before it starts and given back with the conversion; it is large enough but for
 * tables that nobody makes, and what is not used of it costs nothing.
 */
#include "image/colour.h"

#include <lcms2.h>
#include <lcms2_plugin.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PROFILE = 4 << 20, /* presses' tables take two or three megabytes */
    GRID = 9,              /* samples a channel, to tell sRGB */
};

static const char broken[] = "the colour profile is broken and was ignored";
static const char other_kind[] = "the colour profile is for another kind of colour and was ignored";
static const char unknown_codes[] = "the colours are coded in a way that is not converted (HDR, or "
                                    "unknown); they were taken as sRGB";

enum { RESERVE = 4 << 20, RESERVE_PER_BYTE = 8, MIN_PIECE = 1 << 20 };

/* A piece of memory, from which blocks are cut one after the other. */
struct piece {
    alignas(max_align_t) struct piece *next;
    size_t size, used;
};

struct colour {
    cmsContext lcms;
    cmsHTRANSFORM transform;
    struct piece *pieces; /* the newest first */
};

struct block {
    alignas(max_align_t) size_t size;
};

/* The library asks for memory before it has a context to tell whose it is. */
static _Thread_local struct colour *owner;

static bool add_piece(struct colour *c, size_t size) {
    struct piece *p = malloc(sizeof *p + size);
    if (!p) return false;
    *p = (struct piece){.next = c->pieces, .size = size};
    c->pieces = p;
    return true;
}

static void *lcms_malloc(cmsContext lcms, cmsUInt32Number size) {
    (void)lcms;
    size_t unit = alignof(max_align_t);
    size_t need = sizeof(struct block) + ((size_t)size + unit - 1) / unit * unit;
    if (owner->pieces->size - owner->pieces->used < need &&
        !add_piece(owner, need > MIN_PIECE ? need : MIN_PIECE))
        return NULL;
    struct piece *p = owner->pieces;
    struct block *b = (struct block *)((char *)(p + 1) + p->used);
    p->used += need;
    b->size = size;
    return b + 1;
}

static void lcms_free(cmsContext lcms, void *pointer) {
    (void)lcms;
    (void)pointer;
}

static void *lcms_realloc(cmsContext lcms, void *pointer, cmsUInt32Number size) {
    void *moved = lcms_malloc(lcms, size);
    if (!moved || !pointer) return moved;
    size_t old = ((struct block *)pointer - 1)->size;
    return memcpy(moved, pointer, old < size ? old : size);
}

static cmsPluginMemHandler memory = {
    .base = {cmsPluginMagicNumber, 2060, cmsPluginMemHandlerSig, NULL},
    .MallocPtr = lcms_malloc,
    .FreePtr = lcms_free,
    .ReallocPtr = lcms_realloc};

static void silent(cmsContext lcms, cmsUInt32Number code, const char *text) {
    (void)lcms;
    (void)code;
    (void)text;
}

static cmsUInt32Number input_type(const struct colour_layout *l) {
    cmsUInt32Number channels = l->kind == COLOUR_GRAY ? 1 : l->kind == COLOUR_RGB ? 3 : 4;
    cmsUInt32Number space = l->kind == COLOUR_GRAY  ? PT_GRAY
                            : l->kind == COLOUR_RGB ? PT_RGB
                                                    : PT_CMYK;
    return COLORSPACE_SH(space) | CHANNELS_SH(channels) | BYTES_SH(1) |
           EXTRA_SH((cmsUInt32Number)l->stride - channels) | FLAVOR_SH(l->inverted ? 1u : 0u);
}

/* sRGB's curve, BT.709's (whose pictures are shown with sRGB's), a power, or none. */
static cmsToneCurve *curve_of_code(cmsContext lcms, int transfer) {
    static const cmsFloat64Number srgb[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    switch (transfer) {
    case 1:
    case 6:
    case 13:
    case 14:
    case 15: return cmsBuildParametricToneCurve(lcms, 4, srgb);
    case 4: return cmsBuildGamma(lcms, 2.2);
    case 5: return cmsBuildGamma(lcms, 2.8);
    case 8: return cmsBuildGamma(lcms, 1);
    default: return NULL;
    }
}

static const double *xy_of_code(int primaries) {
    static const double bt709[8] = {.3127, .3290, .64, .33, .30, .60, .15, .06};
    static const double bt470bg[8] = {.3127, .3290, .64, .33, .29, .60, .15, .06};
    static const double bt601[8] = {.3127, .3290, .63, .34, .31, .595, .155, .07};
    static const double bt2020[8] = {.3127, .3290, .708, .292, .170, .797, .131, .046};
    static const double dci_p3[8] = {.314, .351, .68, .32, .265, .69, .15, .06};
    static const double display_p3[8] = {.3127, .3290, .68, .32, .265, .69, .15, .06};
    switch (primaries) {
    case 1: return bt709;
    case 5: return bt470bg;
    case 6:
    case 7: return bt601;
    case 9: return bt2020;
    case 11: return dci_p3;
    case 12: return display_p3;
    default: return NULL;
    }
}

static cmsHPROFILE profile_of(cmsContext lcms, const double *xy, cmsToneCurve *curve) {
    if (!curve) return NULL;
    cmsCIExyY white = {xy[0], xy[1], 1};
    cmsCIExyYTRIPLE corners = {{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
    cmsToneCurve *curves[3] = {curve, curve, curve};
    cmsHPROFILE profile = cmsCreateRGBProfileTHR(lcms, &white, &corners, curves);
    cmsFreeToneCurve(curve);
    return profile;
}

static bool near(double a, double b, double off) {
    return fabs(a - b) <= off;
}

static bool is_srgb_xy(const double *xy) {
    const double *srgb = xy_of_code(1);
    for (int i = 0; i < 8; i++)
        if (!near(xy[i], srgb[i], 0.002)) return false;
    return true;
}

static bool is_plausible_xy(const double *xy) {
    for (int i = 0; i < 8; i++)
        if (!(xy[i] >= 0 && xy[i] <= 1)) return false;
    for (int i = 1; i < 8; i += 2)
        if (xy[i] < 0.001) return false;
    return true;
}

/* A power that stands for sRGB's curve is that curve: writers of sRGB put 1/2.2 there. */
static cmsHPROFILE profile_of_gamma(cmsContext lcms, const struct colour_source *source) {
    bool screen = near(source->gamma, 1 / 2.2, 0.005);
    bool srgb = source->xy[1] == 0 || is_srgb_xy(source->xy) || !is_plausible_xy(source->xy);
    if (screen && srgb) return NULL;
    cmsToneCurve *curve = screen ? curve_of_code(lcms, 13) : cmsBuildGamma(lcms, 1 / source->gamma);
    return profile_of(lcms, srgb ? xy_of_code(1) : source->xy, curve);
}

static bool is_of_kind(cmsHPROFILE profile, enum colour_kind kind) {
    cmsColorSpaceSignature space = cmsGetColorSpace(profile);
    return space == (kind == COLOUR_GRAY  ? cmsSigGrayData
                     : kind == COLOUR_RGB ? cmsSigRgbData
                                          : cmsSigCmykData);
}

/* What the source says, as a profile for pixels like these; NULL, perhaps with a note. */
static cmsHPROFILE source_profile(cmsContext lcms, const struct colour_source *source,
                                  struct colour_layout *layout, const char **note) {
    if (source->icc) {
        cmsHPROFILE profile =
            cmsOpenProfileFromMemTHR(lcms, source->icc, (cmsUInt32Number)source->icc_size);
        if (!profile) {
            *note = broken;
            return NULL;
        }
        /* Gray that is repeated in three channels may carry a profile for three. */
        if (layout->kind == COLOUR_GRAY && layout->stride >= 3 && is_of_kind(profile, COLOUR_RGB))
            layout->kind = COLOUR_RGB;
        if (is_of_kind(profile, layout->kind)) return profile;
        *note = other_kind;
        cmsCloseProfile(profile);
        return NULL;
    }
    if (layout->kind == COLOUR_GRAY && layout->stride >= 3) layout->kind = COLOUR_RGB;
    if (layout->kind != COLOUR_RGB) return NULL;
    if (source->primaries) {
        const double *xy = xy_of_code(source->primaries);
        cmsHPROFILE profile =
            xy ? profile_of(lcms, xy, curve_of_code(lcms, source->transfer)) : NULL;
        if (!profile) *note = unknown_codes;
        return profile;
    }
    return source->gamma > 0 ? profile_of_gamma(lcms, source) : NULL;
}

static bool changes_nothing(struct colour *c, const struct colour_layout *l) {
    if (l->kind == COLOUR_CMYK) return false;
    for (int i = 0; i < GRID * GRID * GRID; i++) {
        uint8_t in[4] = {0}, out[3];
        int level[3] = {i % GRID, i / GRID % GRID, i / GRID / GRID};
        for (int k = 0; k < 3; k++)
            in[k] = (uint8_t)(level[l->kind == COLOUR_GRAY ? 0 : k] * 255 / (GRID - 1));
        colour_convert(c, out, in, 1);
        for (int k = 0; k < 3; k++)
            if (abs(in[k] - out[k]) > 1) return false;
    }
    return true;
}

static bool open_transform(struct colour *c, const struct colour_source *source,
                           struct colour_layout layout, const char **note) {
    cmsHPROFILE from = source_profile(c->lcms, source, &layout, note);
    if (!from) return false;
    cmsHPROFILE to = cmsCreate_sRGBProfileTHR(c->lcms);
    if (to)
        c->transform = cmsCreateTransformTHR(c->lcms, from, input_type(&layout), to, TYPE_RGB_8,
                                             INTENT_PERCEPTUAL, cmsFLAGS_NOCACHE);
    if (to) cmsCloseProfile(to);
    cmsCloseProfile(from);
    if (!c->transform) {
        *note = broken;
        return false;
    }
    return !changes_nothing(c, &layout);
}

enum status colour_create(struct colour **out, const struct colour_source *source,
                          const struct colour_layout *layout, const char **note,
                          struct error *err) {
    *note = NULL;
    *out = NULL;
    if (!source->icc && !source->primaries && !(source->gamma > 0)) return STATUS_OK;
    if (source->icc && source->icc_size > MAX_PROFILE) {
        *note = broken;
        return STATUS_OK;
    }
    struct colour *c = calloc(1, sizeof *c);
    if (!c) return fail(err, STATUS_NO_MEMORY, "no memory to convert a picture's colours");
    if (!add_piece(c, RESERVE + RESERVE_PER_BYTE * (source->icc ? source->icc_size : 0))) {
        free(c);
        return fail(err, STATUS_NO_MEMORY, "no memory to convert a picture's colours");
    }
    owner = c;
    c->lcms = cmsCreateContext(&memory, NULL);
    if (c->lcms) cmsSetLogErrorHandlerTHR(c->lcms, silent);
    if (c->lcms && open_transform(c, source, *layout, note))
        *out = c;
    else
        colour_destroy(c);
    return STATUS_OK;
}

void colour_destroy(struct colour *c) {
    if (!c) return;
    owner = c;
    if (c->transform) cmsDeleteTransform(c->transform);
    if (c->lcms) cmsDeleteContext(c->lcms);
    for (struct piece *p = c->pieces, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(c);
}

void colour_convert(struct colour *c, uint8_t *rgb, const uint8_t *pixels, size_t count) {
    owner = c;
    cmsDoTransform(c->transform, pixels, rgb, (cmsUInt32Number)count);
}
