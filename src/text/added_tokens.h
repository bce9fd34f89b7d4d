/*
 * added_tokens.h - the tokens that are cut out of the text as a whole, before anything else happens
 * to it.
 *
 * The rules are those of the package tokenizers (added_vocabulary.rs): of the tokens that start at
 * a place the longest counts, the leftmost place first; tokens with `normalized` are looked for in
 * the normalized text, in their own normalized spelling, after the others have been cut out.
 */
#ifndef TEXT_ADDED_TOKENS_H
#define TEXT_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

enum {
    ADDED_TOKENS_MAX = 4096,
    ADDED_TOKEN_MAX_SIZE = 512, /* bytes */
};

struct added_token {
    char *text;    /* as it is written in the file */
    char *pattern; /* what is looked for: text, or its normalized form */
    size_t size, pattern_size;
    int32_t id;
    bool special;     /* a control token: only parse_special makes it one */
    bool single_word; /* not within a word */
    bool lstrip;      /* takes the white space before it */
    bool rstrip;      /* and after it */
    bool normalized;
};

struct added_tokens { /* a zeroed struct is an empty set */
    struct added_token *tokens;
    size_t count;
    uint16_t first[2][257]; /* [normalized][first byte of the pattern]: where its tokens start;
                               [256]: the end */
};

/* Copies `token`, of which text, size, id and the flags are set.  One that is there already under
 * the same id is left as it is.  STATUS_INVALID: empty or too long, not UTF-8, its id or its text
 * there with another one, too many.  STATUS_NO_MEMORY.  `where` names the file. */
enum status added_tokens_add(struct added_tokens *set, const struct added_token *token,
                             const char *where, struct error *err);
/* After the last one, before the first search. */
void added_tokens_finish(struct added_tokens *set);
void added_tokens_free(struct added_tokens *set);

const struct added_token *added_tokens_find(const struct added_tokens *set, const char *text,
                                            size_t size);

struct added_match {
    size_t start, stop; /* bytes of the text, stripped white space included */
    int32_t id;
};

/* The next token in text[*from..size), of those with the given `normalized`; `done` is the `stop`
 * of the match before, 0 at first.  Moves *from behind it.  Without parse_special, what looks like
 * a special token is text. */
bool added_tokens_next(const struct added_tokens *set, bool normalized, bool parse_special,
                       const char *text, size_t size, size_t *from, size_t done,
                       struct added_match *match);

#endif
