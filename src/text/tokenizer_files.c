/* Finds the files of a tokenizer, reads them whole, and builds the tokenizer from what is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/tokenizer_internal.h"

enum { FILE_LIMIT = 32 << 20 }; /* bytes; a tokenizer.json with Qwen's vocabulary has 7 to 11 MB */

static enum status read_source(struct tokenizer_source *source, const char *folder,
                               const char *name, struct error *err) {
    int n = snprintf(source->path, sizeof source->path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof source->path)
        return fail(err, STATUS_INVALID,
                    "the path of the tokenizer's folder is too long: %.200s...", folder);
    if (access(source->path, F_OK) != 0 && errno == ENOENT) return STATUS_OK;
    source->there = true;
    return buffer_read_file(&source->text, source->path, FILE_LIMIT, err);
}

static enum status check_there(const struct tokenizer_sources *f, const char *folder,
                               struct error *err) {
    if (f->tokenizer_json.there || (f->vocab_json.there && f->merges_txt.there)) return STATUS_OK;
    if (f->vocab_json.there)
        return fail(err, STATUS_INVALID, "%s is missing beside vocab.json", f->merges_txt.path);
    if (f->merges_txt.there)
        return fail(err, STATUS_INVALID, "%s is missing beside merges.txt", f->vocab_json.path);
    return fail(err, STATUS_INVALID,
                "%s is no tokenizer's folder: neither tokenizer.json nor vocab.json and merges.txt "
                "are there",
                folder);
}

enum status tokenizer_open(struct tokenizer **out, const char *folder, struct error *err) {
    *out = NULL;
    struct tokenizer_sources *f = calloc(1, sizeof *f);
    if (!f) return fail(err, STATUS_NO_MEMORY, "no memory to read a tokenizer");
    enum status s = read_source(&f->tokenizer_json, folder, "tokenizer.json", err);
    if (s == STATUS_OK && !f->tokenizer_json.there) {
        s = read_source(&f->vocab_json, folder, "vocab.json", err);
        if (s == STATUS_OK) s = read_source(&f->merges_txt, folder, "merges.txt", err);
    }
    if (s == STATUS_OK) s = check_there(f, folder, err);
    if (s == STATUS_OK)
        s = read_source(&f->tokenizer_config_json, folder, "tokenizer_config.json", err);
    if (s == STATUS_OK) s = read_source(&f->added_tokens_json, folder, "added_tokens.json", err);
    if (s == STATUS_OK) s = tokenizer_from_sources(out, f, err);

    buffer_free(&f->tokenizer_json.text);
    buffer_free(&f->vocab_json.text);
    buffer_free(&f->merges_txt.text);
    buffer_free(&f->tokenizer_config_json.text);
    buffer_free(&f->added_tokens_json.text);
    free(f);
    return s;
}

/* "left right", one merge a line in order of rank; a first line "#version: ..." and empty lines are
 * ignored. */
static enum status read_merges(struct tokenizer *t, const struct tokenizer_source *source,
                               struct error *err) {
    const char *line = source->text.data ? source->text.data : "";
    const char *end = line + source->text.size;
    enum status s = STATUS_OK;
    for (size_t number = 1; s == STATUS_OK && line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (stop > line && stop[-1] == '\r') stop--;
        size_t size = (size_t)(stop - line);
        bool version = number == 1 && size >= 8 && memcmp(line, "#version", 8) == 0;
        if (size > 0 && !version) {
            const char *blank = memchr(line, ' ', size);
            if (!blank || memchr(blank + 1, ' ', (size_t)(stop - blank - 1)))
                return fail(err, STATUS_INVALID,
                            "%s: line %zu does not consist of two tokens with a blank between them",
                            source->path, number);
            s = bpe_add_merge(t->bpe, line, (size_t)(blank - line), blank + 1,
                              (size_t)(stop - blank - 1), source->path, err);
        }
        line = next;
    }
    return s;
}

enum status tokenizer_from_sources(struct tokenizer **out, const struct tokenizer_sources *f,
                                   struct error *err) {
    *out = NULL;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t) return fail(err, STATUS_NO_MEMORY, "no memory for a tokenizer");
    const char *vocab = f->tokenizer_json.there ? f->tokenizer_json.path : f->vocab_json.path;
    enum status s = pretokenizer_create(&t->pretokenizer, err);
    if (s == STATUS_OK) s = bpe_create(&t->bpe, err);
    if (s == STATUS_OK && f->tokenizer_json.there) {
        s = tokenizer_read_json(t, &f->tokenizer_json, err);
    } else if (s == STATUS_OK) {
        s = tokenizer_read_vocab(t, &f->vocab_json, err);
        if (s == STATUS_OK) s = read_merges(t, &f->merges_txt, err);
    }
    if (s == STATUS_OK) s = bpe_finish(t->bpe, vocab, err);
    if (s == STATUS_OK && f->tokenizer_config_json.there)
        s = tokenizer_read_config(t, &f->tokenizer_config_json, err);
    if (s == STATUS_OK && f->added_tokens_json.there)
        s = tokenizer_read_added(t, &f->added_tokens_json, err);
    if (s == STATUS_OK && t->added.count == 0) s = tokenizer_add_standard(t, err);
    if (s != STATUS_OK) {
        tokenizer_close(t);
        return s;
    }
    added_tokens_finish(&t->added);
    *out = t;
    return STATUS_OK;
}
