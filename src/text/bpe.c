/*
 * Two hash tables with open addressing hold what a vocabulary knows: the id of a spelling, needed
 * while loading, and the merge of a pair of ids, the inner loop of encoding.  A word is a linked
 * list of symbols in an array; merging unlinks the right one.  The heap holds every merge that was
 * possible at some time; one that is no longer is recognised when it comes up.
 */
#include "text/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

struct token {
    uint32_t offset, size; /* in `spellings`; size 0: no token has this id */
};

struct merge {
    int32_t left, right; /* left < 0: a free place */
    int32_t id;
    uint32_t rank;
};

struct bpe {
    struct buffer spellings;
    struct token *tokens; /* [token_capacity], by id */
    size_t token_capacity, token_count, size;
    int32_t *by_spelling; /* [spelling_places], a power of two; -1: free */
    size_t spelling_places;
    struct merge *merges; /* [merge_places], a power of two */
    size_t merge_places, merge_count;
    int32_t byte_ids[256];
};

enum status bpe_create(struct bpe **out, struct error *err) {
    *out = calloc(1, sizeof **out);
    return *out ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for a vocabulary");
}

void bpe_destroy(struct bpe *b) {
    if (!b) return;
    buffer_free(&b->spellings);
    free(b->tokens);
    free(b->by_spelling);
    free(b->merges);
    free(b);
}

/* --- spelling -> id --- */

static uint64_t mix(uint64_t x) { /* the finalizer of splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t hash_more(uint64_t hash, const char *text, size_t size) { /* FNV-1a */
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash;
}

/* The place of the token spelled as `a` followed by `b`, or the free place where it belongs.  There
 * is always a free one. */
static size_t find_place(const struct bpe *bpe, const char *a, size_t a_size, const char *b,
                         size_t b_size) {
    size_t mask = bpe->spelling_places - 1;
    size_t at = mix(hash_more(hash_more(0xcbf29ce484222325u, a, a_size), b, b_size)) & mask;
    for (;; at = (at + 1) & mask) {
        int32_t id = bpe->by_spelling[at];
        if (id < 0) return at;
        struct token t = bpe->tokens[id];
        const char *spelling = bpe->spellings.data + t.offset;
        if (t.size == a_size + b_size && memcmp(spelling, a, a_size) == 0 &&
            memcmp(spelling + a_size, b, b_size) == 0)
            return at;
    }
}

static int32_t find_token(const struct bpe *bpe, const char *a, size_t a_size, const char *b,
                          size_t b_size) {
    if (bpe->spelling_places == 0) return -1;
    return bpe->by_spelling[find_place(bpe, a, a_size, b, b_size)];
}

int32_t bpe_token_id(const struct bpe *b, const char *text, size_t size) {
    return find_token(b, text, size, "", 0);
}

const char *bpe_token_text(const struct bpe *b, int32_t id, size_t *size) {
    if (id < 0 || (size_t)id >= b->size || b->tokens[id].size == 0) return NULL;
    *size = b->tokens[id].size;
    return b->spellings.data + b->tokens[id].offset;
}

size_t bpe_size(const struct bpe *b) {
    return b->size;
}

static enum status grow_tokens(struct bpe *b, size_t id, struct error *err) {
    if (id < b->token_capacity) return STATUS_OK;
    size_t capacity = b->token_capacity ? b->token_capacity : 1024;
    while (capacity <= id) capacity *= 2;
    struct token *tokens = realloc(b->tokens, capacity * sizeof *tokens);
    if (!tokens) return fail(err, STATUS_NO_MEMORY, "no memory for %zu tokens", capacity);
    memset(tokens + b->token_capacity, 0, (capacity - b->token_capacity) * sizeof *tokens);
    b->tokens = tokens;
    b->token_capacity = capacity;
    return STATUS_OK;
}

static enum status grow_places(struct bpe *b, struct error *err) {
    if (b->token_count < b->spelling_places / 2) return STATUS_OK;
    size_t places = b->spelling_places ? b->spelling_places * 2 : 2048;
    int32_t *by_spelling = malloc(places * sizeof *by_spelling);
    if (!by_spelling) return fail(err, STATUS_NO_MEMORY, "no memory for %zu tokens", places / 2);
    for (size_t i = 0; i < places; i++) by_spelling[i] = -1;
    int32_t *old = b->by_spelling;
    size_t old_places = b->spelling_places;
    b->by_spelling = by_spelling;
    b->spelling_places = places;
    for (size_t i = 0; i < old_places; i++) {
        if (old[i] < 0) continue;
        struct token t = b->tokens[old[i]];
        by_spelling[find_place(b, b->spellings.data + t.offset, t.size, "", 0)] = old[i];
    }
    free(old);
    return STATUS_OK;
}

enum status bpe_add_token(struct bpe *b, const char *text, size_t size, int64_t id,
                          const char *where, struct error *err) {
    int shown = size < 80 ? (int)size : 80;
    if (size == 0 || size > BPE_MAX_TOKEN)
        return fail(err, STATUS_INVALID,
                    "%s: the token with id %lld has %zu bytes; it must have 1 to %d", where,
                    (long long)id, size, BPE_MAX_TOKEN);
    if (id < 0 || id >= BPE_MAX_IDS)
        return fail(err, STATUS_INVALID, "%s: token \"%.*s\" has id %lld; ids must be 0 to %d",
                    where, shown, text, (long long)id, BPE_MAX_IDS - 1);
    enum status s = grow_tokens(b, (size_t)id, err);
    if (s == STATUS_OK) s = grow_places(b, err);
    if (s != STATUS_OK) return s;
    if (b->tokens[id].size)
        return fail(err, STATUS_INVALID, "%s: two tokens have id %lld", where, (long long)id);
    size_t place = find_place(b, text, size, "", 0);
    if (b->by_spelling[place] >= 0)
        return fail(err, STATUS_INVALID, "%s: token \"%.*s\" is there twice", where, shown, text);
    if (b->spellings.size > UINT32_MAX - size)
        return fail(err, STATUS_INVALID, "%s: the vocabulary is too large", where);

    struct token token = {(uint32_t)b->spellings.size, (uint32_t)size};
    s = buffer_append(&b->spellings, text, size, err);
    if (s != STATUS_OK) return s;
    b->tokens[id] = token;
    b->by_spelling[place] = (int32_t)id;
    b->token_count++;
    if ((size_t)id >= b->size) b->size = (size_t)id + 1;
    return STATUS_OK;
}

/* --- pair -> merge --- */

static struct merge *merge_place(struct merge *merges, size_t places, int32_t left, int32_t right) {
    size_t at = mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right) & (places - 1);
    while (merges[at].left >= 0 && (merges[at].left != left || merges[at].right != right))
        at = (at + 1) & (places - 1);
    return merges + at;
}

static enum status grow_merges(struct bpe *b, struct error *err) {
    if (b->merge_count < b->merge_places / 2) return STATUS_OK;
    size_t places = b->merge_places ? b->merge_places * 2 : 2048;
    struct merge *merges = malloc(places * sizeof *merges);
    if (!merges) return fail(err, STATUS_NO_MEMORY, "no memory for %zu merges", places / 2);
    for (size_t i = 0; i < places; i++) merges[i].left = -1;
    for (size_t i = 0; i < b->merge_places; i++) {
        struct merge *m = b->merges + i;
        if (m->left >= 0) *merge_place(merges, places, m->left, m->right) = *m;
    }
    free(b->merges);
    b->merges = merges;
    b->merge_places = places;
    return STATUS_OK;
}

enum status bpe_add_merge(struct bpe *b, const char *left, size_t left_size, const char *right,
                          size_t right_size, const char *where, struct error *err) {
    int left_shown = left_size < 80 ? (int)left_size : 80;
    int right_shown = right_size < 80 ? (int)right_size : 80;
    int32_t left_id = bpe_token_id(b, left, left_size);
    int32_t right_id = bpe_token_id(b, right, right_size);
    int32_t id = find_token(b, left, left_size, right, right_size);
    if (left_id < 0 || right_id < 0 || id < 0)
        return fail(err, STATUS_INVALID,
                    "%s: merge %zu, \"%.*s %.*s\": %s is not a token of the vocabulary", where,
                    b->merge_count + 1, left_shown, left, right_shown, right,
                    left_id < 0    ? "its left part"
                    : right_id < 0 ? "its right part"
                                   : "what it makes");
    if (b->merge_count >= BPE_MAX_IDS)
        return fail(err, STATUS_INVALID, "%s has more than %d merges", where, BPE_MAX_IDS);
    enum status s = grow_merges(b, err);
    if (s != STATUS_OK) return s;
    struct merge *place = merge_place(b->merges, b->merge_places, left_id, right_id);
    if (place->left >= 0)
        return fail(err, STATUS_INVALID, "%s: merge \"%.*s %.*s\" is there twice", where,
                    left_shown, left, right_shown, right);
    *place = (struct merge){left_id, right_id, id, (uint32_t)b->merge_count++};
    return STATUS_OK;
}

/* GPT-2's bytes_to_unicode: the printable bytes of Latin-1 stand for themselves, the others for
 * U+0100 and on. */
enum status bpe_finish(struct bpe *b, const char *where, struct error *err) {
    unsigned others = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        unsigned c = itself ? byte : others++;
        char text[2] = {(char)c};
        size_t size = 1;
        if (c >= 0x80) {
            text[0] = (char)(0xc0 | c >> 6);
            text[1] = (char)(0x80 | (c & 0x3f));
            size = 2;
        }
        b->byte_ids[byte] = bpe_token_id(b, text, size);
        if (b->byte_ids[byte] < 0)
            return fail(err, STATUS_INVALID,
                        "%s: no token for the byte 0x%02x; it is no byte-level BPE", where, byte);
    }
    return STATUS_OK;
}

/* --- encoding --- */

struct symbol {
    int32_t id;             /* -1: merged into its left neighbour */
    int32_t previous, next; /* -1: none */
};

struct candidate {
    uint32_t rank;
    int32_t at; /* the left symbol of the pair */
    int32_t id; /* what the pair becomes */
};

static bool before(struct candidate a, struct candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(struct candidate *heap, size_t *count, struct candidate c) {
    size_t at = (*count)++;
    for (; at > 0 && before(c, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = c;
}

static struct candidate heap_pop(struct candidate *heap, size_t *count) {
    struct candidate top = heap[0], last = heap[--*count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < *count; at = child) {
        if (child + 1 < *count && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], last)) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return top;
}

static const struct merge *find_merge(const struct bpe *b, int32_t left, int32_t right) {
    if (b->merge_places == 0) return NULL;
    const struct merge *m = merge_place(b->merges, b->merge_places, left, right);
    return m->left >= 0 ? m : NULL;
}

static void push_pair(const struct bpe *b, struct bpe_scratch *s, size_t *count, int32_t at) {
    int32_t next = at < 0 ? -1 : s->symbols[at].next;
    if (next < 0) return;
    const struct merge *m = find_merge(b, s->symbols[at].id, s->symbols[next].id);
    if (m) heap_push(s->heap, count, (struct candidate){m->rank, at, m->id});
}

static void merge_all(const struct bpe *b, struct bpe_scratch *s, size_t size) {
    struct symbol *symbols = s->symbols;
    size_t count = 0; /* below 2 * size: one for each first pair, one more for each merge done */
    for (size_t i = 0; i + 1 < size; i++) push_pair(b, s, &count, (int32_t)i);
    while (count > 0) {
        struct candidate c = heap_pop(s->heap, &count);
        struct symbol *left = symbols + c.at;
        if (left->id < 0 || left->next < 0) continue;
        struct symbol *right = symbols + left->next;
        const struct merge *m = find_merge(b, left->id, right->id);
        if (!m || m->id != c.id) continue; /* a neighbour has changed since */
        left->id = c.id;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0) symbols[left->next].previous = c.at;
        push_pair(b, s, &count, left->previous);
        push_pair(b, s, &count, c.at);
    }
}

static enum status scratch_reserve(struct bpe_scratch *s, size_t size, struct error *err) {
    if (size <= s->capacity) return STATUS_OK;
    size_t capacity = size < 64 ? 64 : size;
    bpe_scratch_free(s);
    s->symbols = malloc(capacity * sizeof *s->symbols);
    s->heap = malloc(capacity * 2 * sizeof *s->heap);
    if (!s->symbols || !s->heap) {
        bpe_scratch_free(s);
        fail(err, STATUS_NO_MEMORY, "no memory to tokenize a word of %zu bytes", size);
        return STATUS_NO_MEMORY;
    }
    s->capacity = capacity;
    return STATUS_OK;
}

void bpe_scratch_free(struct bpe_scratch *s) {
    free(s->symbols);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

enum status bpe_encode(const struct bpe *b, struct bpe_scratch *scratch, const char *word,
                       size_t size, struct token_ids *out, struct error *err) {
    if (size > INT32_MAX) return fail(err, STATUS_INVALID, "a word of %zu bytes is too long", size);
    enum status s = scratch_reserve(scratch, size, err);
    if (s != STATUS_OK) return s;
    for (size_t i = 0; i < size; i++)
        scratch->symbols[i] = (struct symbol){b->byte_ids[(unsigned char)word[i]], (int32_t)i - 1,
                                              i + 1 < size ? (int32_t)i + 1 : -1};
    merge_all(b, scratch, size);
    for (int32_t i = size ? 0 : -1; s == STATUS_OK && i >= 0; i = scratch->symbols[i].next)
        s = token_ids_push(out, scratch->symbols[i].id, 1, err);
    return s;
}
