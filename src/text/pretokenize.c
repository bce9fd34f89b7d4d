/*
 * One match, anchored, for each word.  The bytes are known to be UTF-8: checking them again for
 * each word (PCRE2 would check all the rest) would make the time quadratic.
 */
#include "text/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN(SPACE, NO_SPACE)                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^" SPACE                 \
    "\\p{L}\\p{N}]+[\\r\\n]*|" SPACE "*[\\r\\n]+|" SPACE "+(?!" NO_SPACE ")|" SPACE "+"

const char *const pretokenizer_pattern = PATTERN("\\s", "\\S");

/* PCRE2's own \s also takes U+180E, which is no white space since Unicode 6.3. */
static const char pcre2_pattern[] = PATTERN("\\p{White_Space}", "\\P{White_Space}");

struct pretokenizer {
    pcre2_code *code;
    pcre2_match_context *limits;
};

/* The limits of PCRE2 are there for patterns that explode.  This one does not, and a long text is
 * no reason to fail. */
static enum status lift_limits(struct pretokenizer *p, struct error *err) {
    p->limits = pcre2_match_context_create(NULL);
    if (!p->limits) return fail(err, STATUS_NO_MEMORY, "no memory to match the split pattern");
    pcre2_set_match_limit(p->limits, UINT32_MAX);
    pcre2_set_depth_limit(p->limits, UINT32_MAX);
    pcre2_set_heap_limit(p->limits, UINT32_MAX);
    return STATUS_OK;
}

static enum status compile(struct pretokenizer *p, struct error *err) {
    int why;
    PCRE2_SIZE at;
    p->code = pcre2_compile((PCRE2_SPTR)pcre2_pattern, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &why, &at, NULL);
    if (!p->code && why == PCRE2_ERROR_HEAP_FAILED)
        return fail(err, STATUS_NO_MEMORY, "no memory to compile the split pattern");
    if (!p->code)
        return fail(err, STATUS_INTERNAL, "PCRE2 refuses the split pattern: error %d at byte %zu",
                    why, (size_t)at);
    /* A hardened system may refuse memory that is written and then run; PCRE2 then interprets. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    return STATUS_OK;
}

enum status pretokenizer_create(struct pretokenizer **out, struct error *err) {
    *out = NULL;
    struct pretokenizer *p = calloc(1, sizeof *p);
    if (!p) return fail(err, STATUS_NO_MEMORY, "no memory for the split pattern");
    enum status s = compile(p, err);
    if (s == STATUS_OK) s = lift_limits(p, err);
    if (s == STATUS_OK)
        *out = p;
    else
        pretokenizer_destroy(p);
    return s;
}

void pretokenizer_destroy(struct pretokenizer *p) {
    if (!p) return;
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    free(p);
}

void pretokenizer_scratch_free(struct pretokenizer_scratch *s) {
    pcre2_match_data_free(s->match);
    s->match = NULL;
}

enum status pretokenizer_next(const struct pretokenizer *p, struct pretokenizer_scratch *scratch,
                              const char *text, size_t size, size_t *word, struct error *err) {
    if (!scratch->match) scratch->match = pcre2_match_data_create(1, NULL);
    if (!scratch->match) return fail(err, STATUS_NO_MEMORY, "no memory to match the split pattern");
    int n = pcre2_match(p->code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_UTF_CHECK, scratch->match,
                        p->limits);
    if (n == PCRE2_ERROR_NOMEMORY)
        return fail(err, STATUS_NO_MEMORY, "no memory to split a text of %zu bytes", size);
    if (n < 0) return fail(err, STATUS_INTERNAL, "PCRE2 cannot split the text: error %d", n);
    *word = pcre2_get_ovector_pointer(scratch->match)[1];
    return STATUS_OK;
}
