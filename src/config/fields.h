/*
 * fields.h - the one table of what can be asked of an edit, and the reading of it.
 *
 * A field is named once: its name, what its value is, within which limits, what it means.  From the
 * rows come the forms of the HTTP routes, the flags of `firered edit` (with dashes for the
 * underscores), the sentences about bad values, and the tables in README.md, docs/api.md, /docs and
 * openapi.json, which tests/config compares with what is written below.
 *
 * The rows stand in the order in which fields are checked, whatever the order in which they come:
 * the first one that is wrong is the one that a client is told about.
 */
#ifndef CONFIG_FIELDS_H
#define CONFIG_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/values.h"
#include "image/format.h"

/* Where a field is one; a set of them. */
enum field_place {
    FIELD_OF_EDIT = 1,   /* POST /edit and POST /v1/jobs */
    FIELD_OF_OPENAI = 2, /* POST /v1/images/edits */
    FIELD_OF_COMMAND = 4 /* firered edit, where the row alone says what a flag may be */
};

enum field_kind {
    FIELD_PICTURES, /* files, which are not read here */
    FIELD_TEXT,     /* const char *: UTF-8 */
    FIELD_NAME,     /* const char *, not looked into */
    FIELD_INTEGER,  /* int */
    FIELD_REAL,     /* double */
    FIELD_SEED,     /* struct field_seed */
    FIELD_CHOICE,   /* an enum */
    FIELD_SWITCH,   /* bool: true or false */
    FIELD_SIZE,     /* struct field_size: WIDTHxHEIGHT, input, or a word for the model's own */
    FIELD_FIXED,    /* only values that say what is done anyway; nothing comes of it */
    FIELD_IGNORED   /* any, or one of the choices; nothing comes of it, which the answer says */
};

struct field_seed {
    bool given; /* false: also where it is -1 */
    uint64_t value;
};

struct field_size {
    bool input;        /* exactly the last picture's */
    int width, height; /* 0: not asked for */
};

/* What was asked for.  Strings are the caller's of field_read. */
struct field_values {
    const char *prompt, *negative_prompt, *model; /* NULL: not given */
    struct field_seed seed;
    double guidance_scale; /* negative: not given */
    int steps;             /* 0: not given */
    int width, height;     /* 0: not given */
    struct field_size size;
    enum picture_format format;
    int compression; /* negative: not given */
    int count;       /* pictures to make, from as many seeds in a row */
    bool stream;     /* tell of the progress while they are made */
};

struct field {
    const char *name;
    const char *alias; /* a second name in forms, of FIELD_PICTURES, FIELD_INTEGER or FIELD_REAL; or
                          NULL */
    enum field_kind kind;
    unsigned places;
    bool required;
    size_t offset;           /* in struct field_values */
    double min, max;         /* of numbers */
    const char *max_setting; /* the setting that may make max smaller, or NULL */
    const char *otherwise; /* what an absent one is, where it is one of the values; of FIELD_SIZE the
                                word for the model's own size */
    const struct choice *choices; /* of FIELD_CHOICE, FIELD_FIXED, and some of FIELD_IGNORED */
    const char *meaning;          /* a sentence without a full stop; `...` is a value or a name */
    const char *refusal;          /* of FIELD_FIXED: the whole sentence about another value */
};

enum { MAX_FIELDS = 32, FIELD_MAX_TEXT_BYTES = 65536, FIELD_MAX_COUNT = 4 };

extern const struct field field_table[];
extern const size_t field_count; /* at most MAX_FIELDS */

/* The row of a name, or of an alias in a form, in one place; NULL: there is none.  A list's entries,
 * `image[]` and `image[0]`, are all the list's. */
const struct field *field_find(enum field_place place, const char *name);

/* The name that an unknown one is nearly: it is meant, since nothing else is called so.  In other letters
 * of case, other separators, or one letter away (two in long names).  NULL: it is like none. */
const char *field_near(enum field_place place, const char *name);

/* How long a value may be. */
size_t field_max_bytes(const struct field *f);

/* Writes the flag, without dashes. */
enum { FIELD_FLAG_SIZE = 40 };
void field_flag(const struct field *f, char out[FIELD_FLAG_SIZE]);

/* What nothing was asked of. */
struct field_values field_values_default(void);

/* Reads text[0..size-1], which is followed by a '\0', not empty, and lives as long as *values.  A byte
 * order mark before a text is no part of it.
 * max_steps is the setting MAX_STEPS, or what stands for it.  False: it is no such value, and *values
 * is as it was; what it must be is said by field_allowed. */
bool field_read(struct field_values *values, const struct field *f, const char *text, size_t size,
                int max_steps);

/* Whether both have the same value of a field that has an alias. */
bool field_same(const struct field *f, const struct field_values *a, const struct field_values *b);

/* "a whole number from 1 to 100" */
enum { FIELD_ALLOWED_SIZE = 160 };
void field_allowed(const struct field *f, int max_steps, char out[FIELD_ALLOWED_SIZE]);

/* What is generated.  STATUS_NO_MEMORY; NULL. */
enum status fields_write_readme(struct buffer *out); /* the table between the README's markers */
enum status fields_write_api(struct buffer *out);    /* of docs/api.md: every place's fields */
enum status fields_write_html(struct buffer *out, enum field_place place); /* rows of /docs */
json_t *fields_schema(enum field_place place); /* openapi.json's `properties` of the place's form */

#endif
