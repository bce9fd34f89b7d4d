/*
 * The table, and the strict reading of one value: all of the text is the value, or it is none.
 */
#include "config/fields.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "config/args.h"
#include "firered.h"

static const struct choice formats[] = {
    {"png", PICTURE_PNG}, {"jpeg", PICTURE_JPEG}, {"webp", PICTURE_WEBP}, {NULL, 0}};

/* Of all of OpenAI's models. */
static const struct choice qualities[] = {{"auto", 0}, {"low", 0},      {"medium", 0}, {"high", 0},
                                          {"hd", 0},   {"standard", 0}, {NULL, 0}};

/* What is done anyway; the first is what to send. */
static const struct choice only_b64_json[] = {{"b64_json", 0}, {NULL, 0}},
                           only_opaque[] = {{"auto", 0}, {"opaque", 0}, {NULL, 0}},
                           only_high[] = {{"high", 0}, {NULL, 0}},
                           only_low[] = {{"auto", 0}, {"low", 0}, {NULL, 0}},
                           only_zero[] = {{"0", 0}, {NULL, 0}};

enum {
    FORMS = FIELD_OF_EDIT | FIELD_OF_OPENAI,
    ALL = FORMS | FIELD_OF_COMMAND,
    MAX_NUMBER_BYTES = 64,
    MAX_NAME_BYTES = 512
};

#define VALUE(name) offsetof(struct field_values, name)

const struct field field_table[] = {
    {"image", "image[]", FIELD_PICTURES, FORMS, .required = true, .max = FIRERED_MAX_PICTURES,
     .meaning = "a PNG, JPEG, WebP, HEIC, AVIF, TIFF, GIF, BMP or JPEG XL file, recognised by its "
                "bytes; up to three times, where the model takes as many: Picture 1 to "
                "3, the last gives the aspect ratio; transparency is composed onto white"},
    {"prompt", NULL, FIELD_TEXT, FORMS, true, VALUE(prompt),
     .meaning = "what to change: UTF-8 text, not blank, at most 1024 tokens"},
    {"negative_prompt", NULL, FIELD_TEXT, FORMS, false, VALUE(negative_prompt),
     .meaning = "what guidance leads away from; absent: the service's `NEGATIVE_PROMPT`"},
    {"seed", NULL, FIELD_SEED, FORMS, false, VALUE(seed),
     .meaning = "the same seed gives the same picture; absent or -1: random, told in `X-Seed`"},
    {"guidance_scale", "true_cfg_scale", FIELD_REAL, ALL, false, VALUE(guidance_scale), 0,
     FIRERED_MAX_GUIDANCE,
     .meaning =
         "how strongly the prompt counts, by true classifier-free guidance; 1 or less: none, as "
         "a distilled model always has it; absent: the service's default, else the model's"},
    {"steps", "num_inference_steps", FIELD_INTEGER, ALL, false, VALUE(steps), 1, FIRERED_MAX_STEPS,
     .max_setting = "MAX_STEPS",
     .meaning = "steps of denoising; absent: the service's default, else the model's"},
    {"response_format", NULL, FIELD_FIXED, FIELD_OF_OPENAI, .choices = only_b64_json,
     .meaning = "pictures come in the answer, not as URLs",
     .refusal = "response_format must be b64_json: pictures come in the answer, not as URLs"},
    {"quality", NULL, FIELD_IGNORED, FIELD_OF_OPENAI, .choices = qualities,
     .meaning = "ignored, and named in `X-Ignored-Fields`: `steps` asks for more or less effort"},
    {"background", NULL, FIELD_FIXED, FIELD_OF_OPENAI, .choices = only_opaque,
     .meaning = "edited pictures have no transparency",
     .refusal = "background must be auto or opaque: edited pictures have no transparency"},
    {"input_fidelity", NULL, FIELD_FIXED, FIELD_OF_OPENAI, .choices = only_high,
     .meaning = "the pictures are always seen in full",
     .refusal = "input_fidelity must be high: the pictures are always seen in full"},
    {"moderation", NULL, FIELD_FIXED, FIELD_OF_OPENAI, .choices = only_low,
     .meaning = "ignored: there is none", .refusal = "moderation must be auto or low"},
    {"partial_images", NULL, FIELD_FIXED, FIELD_OF_OPENAI, .choices = only_zero,
     .meaning = "progress is told in steps, with `stream`",
     .refusal = "partial_images must be 0; with stream=true the progress is told in steps"},
    {"model", NULL, FIELD_NAME, FIELD_OF_OPENAI, false, VALUE(model),
     .meaning =
         "the name of the model served (`GET /v1/models`), or `firered` for whatever is served; "
         "absent: the same"},
    {"stream", NULL, FIELD_SWITCH, FIELD_OF_OPENAI, false, VALUE(stream), .otherwise = "false",
     .meaning =
         "answer with server-sent events, an `image_edit.completed` for each picture, and comments "
         "that tell of progress"},
    {"n", NULL, FIELD_INTEGER, FIELD_OF_OPENAI, false, VALUE(count), 1, FIELD_MAX_COUNT,
     .otherwise = "1",
     .meaning =
         "how many pictures, of `seed`, `seed` + 1, and so on; they wait and run one after the "
         "other"},
    {"width", NULL, FIELD_INTEGER, FIELD_OF_EDIT | FIELD_OF_COMMAND, false, VALUE(width),
     FIRERED_MIN_SIDE, FIRERED_MAX_SIDE,
     .meaning =
         "together with `height`; rounded down to a multiple of 16; absent: the model's size, in "
         "the shape of the last picture"},
    {"height", NULL, FIELD_INTEGER, FIELD_OF_EDIT | FIELD_OF_COMMAND, false, VALUE(height),
     FIRERED_MIN_SIDE, FIRERED_MAX_SIDE,
     .meaning = "together with `width`; rounded down to a multiple of 16"},
    {"size", NULL, FIELD_SIZE, FIELD_OF_EDIT | FIELD_OF_COMMAND, false, VALUE(size),
     FIRERED_MIN_SIDE, FIRERED_MAX_SIDE, .otherwise = "model",
     .meaning = "in place of `width` and `height`: `input` is exactly the last picture's width and "
                "height, upright; "
                "it is edited at the model's size and resized with LANCZOS"},
    {"size", NULL, FIELD_SIZE, FIELD_OF_OPENAI, false, VALUE(size), FIRERED_MIN_SIDE,
     FIRERED_MAX_SIDE, .otherwise = "auto",
     .meaning =
         "`auto`: the model's size, in the shape of the last picture; `input`: exactly the last "
         "picture's width and height; sides of 64 to 2048, rounded down to multiples of 16"},
    {"output_format", NULL, FIELD_CHOICE, FORMS, false, VALUE(format), .otherwise = "png",
     .choices = formats, .meaning = "how the edited picture is stored"},
    {"output_compression", NULL, FIELD_INTEGER, FIELD_OF_OPENAI, false, VALUE(compression), 0, 100,
     .meaning =
         "the quality of JPEG (absent: 95) or WebP (absent, and 100: lossless); with PNG only "
         "100"},
    {"user", NULL, FIELD_IGNORED, FIELD_OF_OPENAI,
     .meaning = "ignored, and named in `X-Ignored-Fields`"},
    {"safety_identifier", NULL, FIELD_IGNORED, FIELD_OF_OPENAI,
     .meaning = "ignored, and named in `X-Ignored-Fields`"},
};
const size_t field_count = sizeof field_table / sizeof field_table[0];
_Static_assert(sizeof field_table / sizeof field_table[0] <= MAX_FIELDS, "MAX_FIELDS is too small");
_Static_assert(sizeof(enum picture_format) == sizeof(int), "field_read stores ints into enums");

static bool is_entry(const struct field *f, const char *name) {
    size_t n = strlen(f->name);
    if (f->kind != FIELD_PICTURES || strncmp(name, f->name, n) != 0 || name[n] != '[') return false;
    return strcmp(name + n + 1 + strspn(name + n + 1, "0123456789"), "]") == 0;
}

const struct field *field_find(enum field_place place, const char *name) {
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        if (!(f->places & place)) continue;
        if (strcmp(f->name, name) == 0) return f;
        if (place == FIELD_OF_COMMAND) continue;
        if ((f->alias && strcmp(f->alias, name) == 0) || is_entry(f, name)) return f;
    }
    return NULL;
}

/* ---- names that are nearly one ---- */

enum { NEAR_SIZE = 32 };

/* Only letters and digits count, whatever their case.  False: it is too long to be like any. */
static bool reduce(char out[NEAR_SIZE], const char *name) {
    size_t n = 0;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name)) continue;
        if (n + 1 == NEAR_SIZE) return false;
        out[n++] = (char)tolower((unsigned char)*name);
    }
    out[n] = '\0';
    return true;
}

/* A short name is near many words: there, no letter may be another ("send" is no "seed"). */
static bool is_near(const char *name, const char *known) {
    enum { SHORT = 4, LONG = 9 };
    char a[NEAR_SIZE], b[NEAR_SIZE];
    if (!reduce(a, name) || !reduce(b, known)) return false;
    size_t n = strlen(b), distance = args_distance(a, b), different = 0;
    if (distance == 0) return true;
    if (n >= LONG) return distance <= 2;
    if (distance > 1 || n < SHORT) return false;
    for (size_t i = 0; a[i] && b[i]; i++) different += a[i] != b[i];
    bool exchanged = strlen(a) == n && different == 1; /* one letter for another */
    return n > SHORT || !exchanged;
}

const char *field_near(enum field_place place, const char *name) {
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        if (!(f->places & place)) continue;
        if (is_near(name, f->name)) return f->name;
        if (f->alias && is_near(name, f->alias)) return f->alias;
    }
    return NULL;
}

/* ---- values ---- */

size_t field_max_bytes(const struct field *f) {
    switch (f->kind) {
    case FIELD_TEXT: return FIELD_MAX_TEXT_BYTES;
    case FIELD_NAME:
    case FIELD_IGNORED: return MAX_NAME_BYTES;
    default: return MAX_NUMBER_BYTES;
    }
}

void field_flag(const struct field *f, char out[FIELD_FLAG_SIZE]) {
    size_t n = 0;
    for (; f->name[n] && n < FIELD_FLAG_SIZE - 1; n++)
        out[n] = f->name[n] == '_' ? '-' : f->name[n];
    out[n] = '\0';
}

struct field_values field_values_default(void) {
    return (struct field_values){
        .guidance_scale = -1, .format = PICTURE_PNG, .compression = -1, .count = 1};
}

static int max_integer(const struct field *f, int max_steps) {
    return f->max_setting && max_steps < f->max ? max_steps : (int)f->max;
}

static bool read_seed(struct field_seed *out, const char *text) {
    uint64_t value = 0;
    bool given = strcmp(text, "-1") != 0;
    if (given && !value_uint64(text, &value)) return false;
    *out = (struct field_seed){given, value};
    return true;
}

static bool read_size(struct field_size *out, const struct field *f, const char *text) {
    struct field_size size = {.input = strcmp(text, "input") == 0};
    if (!size.input && strcmp(text, f->otherwise) != 0 &&
        !value_size(text, (int)f->min, (int)f->max, &size.width, &size.height))
        return false;
    *out = size;
    return true;
}

bool field_read(struct field_values *values, const struct field *f, const char *text, size_t size,
                int max_steps) {
    void *value = (char *)values + f->offset;
    const struct choice *choice;
    int64_t whole;
    if (strlen(text) != size) return f->kind == FIELD_IGNORED && !f->choices; /* it has a NUL */
    switch (f->kind) {
    case FIELD_TEXT:
        if (!utf8_is_text(text, size)) return false;
        *(const char **)value = utf8_skip_mark(text);
        return true;
    case FIELD_NAME: *(const char **)value = text; return true;
    case FIELD_INTEGER:
        if (text[0] == '-' || !value_int(text, (int)f->min, max_integer(f, max_steps), &whole))
            return false;
        *(int *)value = (int)whole;
        return true;
    case FIELD_REAL: return value_real(text, f->min, f->max, value);
    case FIELD_SEED: return read_seed(value, text);
    case FIELD_SIZE: return read_size(value, f, text);
    case FIELD_CHOICE:
        choice = choice_find(f->choices, text);
        if (choice) *(int *)value = choice->value;
        return choice != NULL;
    case FIELD_SWITCH:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) return false;
        *(bool *)value = text[0] == 't';
        return true;
    default: return !f->choices || choice_find(f->choices, text);
    }
}

bool field_same(const struct field *f, const struct field_values *a, const struct field_values *b) {
    const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    return f->kind == FIELD_REAL ? *(const double *)x == *(const double *)y
                                 : *(const int *)x == *(const int *)y;
}

void field_allowed(const struct field *f, int max_steps, char out[FIELD_ALLOWED_SIZE]) {
    out[0] = '\0';
    switch (f->kind) {
    case FIELD_TEXT: snprintf(out, FIELD_ALLOWED_SIZE, "UTF-8 without NUL characters"); break;
    case FIELD_INTEGER:
        snprintf(out, FIELD_ALLOWED_SIZE, "a whole number from %d to %d", (int)f->min,
                 max_integer(f, max_steps));
        break;
    case FIELD_REAL:
        snprintf(out, FIELD_ALLOWED_SIZE, "a number from %g to %g", f->min, f->max);
        break;
    case FIELD_SEED:
        snprintf(out, FIELD_ALLOWED_SIZE, "a whole number from 0 to 18446744073709551615, or -1");
        break;
    case FIELD_SIZE:
        snprintf(out, FIELD_ALLOWED_SIZE, "input, %s, or WIDTHxHEIGHT with sides from %d to %d",
                 f->otherwise, (int)f->min, (int)f->max);
        break;
    case FIELD_SWITCH: snprintf(out, FIELD_ALLOWED_SIZE, "true or false"); break;
    case FIELD_CHOICE:
    case FIELD_IGNORED:
        if (f->choices) choice_names(f->choices, out, FIELD_ALLOWED_SIZE);
        break;
    default: break;
    }
}
