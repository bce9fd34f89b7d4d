/*
 * options.h - the one table of the program's settings, and what is generated from it.
 *
 * A setting is named once: its variable, its limits, its default, its sentence.  The flag is the
 * variable in lower case with dashes (MAX_QUEUE: --max-queue).  tests/config checks that
 * `.env.example` and the README's list are what the functions below write.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "config/args.h"
#include "config/config.h"
#include "config/values.h"

/* Which command takes the option; a set of them. */
enum option_command {
    OPTION_SERVE = 1,
    OPTION_EDIT = 2,
    OPTION_INFO = 4,
    OPTION_HEALTH = 8,
    OPTION_EDIT_DEFAULTS = 16, /* variables that `edit` reads, but has shorter flags for */
    OPTION_MEASURE = 32,       /* bench and eval */
    OPTION_HUB = 64,           /* pull, list, rm, verify */
    OPTION_DECODE = 128,
    OPTION_RUN = OPTION_SERVE | OPTION_EDIT | OPTION_MEASURE, /* what says how it runs */
    OPTION_MODEL = OPTION_RUN | OPTION_INFO,                  /* what finds the model */
    OPTION_DEVICE = OPTION_RUN | OPTION_INFO                  /* what says on what it runs */
};

enum option_kind {
    OPTION_INT,     /* int */
    OPTION_INT64,   /* int64_t */
    OPTION_REAL,    /* double */
    OPTION_MEMORY,  /* uint64_t of bytes, or FIRERED_MEMORY_AUTO */
    OPTION_BYTES,   /* uint64_t of bytes */
    OPTION_CHOICE,  /* an enum */
    OPTION_LORAS,   /* struct firered_lora *loras, size_t lora_count */
    OPTION_PATH,    /* char *, no control characters; so all that follow */
    OPTION_TEXT,    /* UTF-8; tabs and newlines allowed, blanks count */
    OPTION_WORD,    /* the same, where blanks around it do not */
    OPTION_SECRET,  /* visible ASCII; never shown */
    OPTION_PLACE,   /* a device, as compute_options.device */
    OPTION_HOST,    /* a name or an address */
    OPTION_ORIGINS, /* `*`, or http(s) origins, comma-separated */
    OPTION_HOSTS,   /* names or addresses, comma-separated, without ports */
    OPTION_URL      /* http(s) */
};

struct option {
    const char *variable;
    const char *alias; /* a second flag, or NULL */
    enum option_kind kind;
    unsigned commands;
    size_t offset;     /* in struct config */
    const char *value; /* the default, read like any other value; NULL: the field stays empty */
    const char *shown; /* the default as people read it; NULL: `value` */
    double min, max;   /* of the numbers */
    const struct choice *choices;
    const char *takes; /* what the value is, as --help calls it; NULL: made from the kind */
    const char *help;  /* one sentence, without a full stop */
    bool rare;         /* not in a command's own short list, only in `help settings` */
};

enum { OPTION_FLAG_SIZE = 40 };

extern const struct option option_table[];
extern const size_t option_count;

/* Writes the flag, without dashes. */
void option_flag(const struct option *o, char out[OPTION_FLAG_SIZE]);

/* Writes the name under which the setting is logged (MAX_QUEUE: max_queue), and returns it. */
const char *option_key(const struct option *o, char out[OPTION_FLAG_SIZE]);

/* The flags of a command, aliases included, for args_parse; in a malloc'ed block of *count specs
 * with `extra` more unused ones behind them, for the command's own.  NULL: no memory. */
struct arg_spec *option_specs(unsigned command, size_t extra, size_t *count);

/* Whether the setting's field is a malloc'ed string or NULL. */
bool option_is_string(const struct option *o);

/* Whether a value says nothing: an empty one, or blanks only where they do not count. */
bool option_is_empty(const struct option *o, const char *value);

/* The setting of these commands that a name which is none probably means, or NULL: in other letters,
 * behind FIRERED_, or a slip of the keyboard away. */
const struct option *option_meant(const char *name, unsigned commands);

/* Checks a value and puts it into *c in place of what is there.  Blanks around it do not count, words
 * are taken in any case, `~` in front of a path is the home directory.  `source` says where it comes
 * from ("--port", ".env, line 3"; NULL: the environment).  STATUS_INVALID, STATUS_NO_MEMORY.  The
 * value must not be empty. */
enum status option_set(struct config *c, const struct option *o, const char *value,
                       const char *source, struct error *err);

/* The same, but a list keeps what it has, too. */
enum status option_add(struct config *c, const struct option *o, const char *value,
                       const char *source, struct error *err);

/* What is generated.  STATUS_NO_MEMORY. */
enum status options_write_help(struct buffer *out, unsigned command);  /* all that is to say */
enum status options_write_flags(struct buffer *out, unsigned command); /* only flags and values */
enum status options_write_man(struct buffer *out); /* for docs/man/firered.1, between two markers */
enum status options_write_env(struct buffer *out); /* .env.example */
enum status options_write_readme(
    struct buffer *out); /* the table between the README's two markers */

#endif
