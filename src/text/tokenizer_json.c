/*
 * The JSON that a tokenizer may come in.  Whatever would make the reference tokenize in another way
 * than we do is refused instead of ignored: a wrong tokenizer shows only as an edit that does not
 * follow its prompt.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/pretokenize.h"
#include "text/tokenizer_internal.h"

/* Qwen2.5's added tokens in the order of their ids; control tokens first. */
static const char *const standard_tokens[] = {
    "<|endoftext|>",      "<|im_start|>",     "<|im_end|>",     "<|object_ref_start|>",
    "<|object_ref_end|>", "<|box_start|>",    "<|box_end|>",    "<|quad_start|>",
    "<|quad_end|>",       "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>",      "<|video_pad|>",    "<tool_call>",    "</tool_call>",
    "<|fim_prefix|>",     "<|fim_middle|>",   "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>",      "<|file_sep|>",
};
enum {
    STANDARD_COUNT = sizeof standard_tokens / sizeof standard_tokens[0],
    CONTROL_COUNT = 14,
};

/* Where the token stands in the list above; STANDARD_COUNT if it does not. */
static size_t standard_place(const char *token) {
    size_t i = 0;
    while (i < STANDARD_COUNT && strcmp(standard_tokens[i], token) != 0) i++;
    return i;
}

static enum status parse(json_t **out, const struct tokenizer_source *source, size_t flags,
                         struct error *err) {
    json_error_t at;
    const char *text = source->text.data ? source->text.data : "";
    *out = json_loadb(text, source->text.size, JSON_REJECT_DUPLICATES | flags, &at);
    if (!*out) return json_refuse(source->path, text, source->text.size, &at, err);
    if (json_is_object(*out)) return STATUS_OK;
    json_decref(*out);
    *out = NULL;
    return fail(err, STATUS_INVALID, "%s must hold a JSON object", source->path);
}

/* --- vocabulary and merges --- */

static enum status add_vocab(struct tokenizer *t, json_t *vocab, const char *where,
                             struct error *err) {
    enum status s = STATUS_OK;
    const char *token;
    json_t *id;
    json_object_foreach(vocab, token, id) {
        if (!json_is_integer(id))
            return fail(err, STATUS_INVALID, "%s: the id of token \"%.80s\" is not an integer",
                        where, token);
        s = bpe_add_token(t->bpe, token, strlen(token), json_integer_value(id), where, err);
        if (s != STATUS_OK) break;
    }
    return s;
}

static enum status add_json_merge(struct tokenizer *t, const json_t *merge, size_t number,
                                  const char *where, struct error *err) {
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right))
        return bpe_add_merge(t->bpe, json_string_value(left), json_string_length(left),
                             json_string_value(right), json_string_length(right), where, err);
    const char *text = json_string_value(merge);
    const char *blank = text ? strchr(text, ' ') : NULL;
    if (!blank || strchr(blank + 1, ' '))
        return fail(err, STATUS_INVALID, "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]",
                    where, number);
    return bpe_add_merge(t->bpe, text, (size_t)(blank - text), blank + 1, strlen(blank + 1), where,
                         err);
}

static enum status add_merges(struct tokenizer *t, const json_t *merges, const char *where,
                              struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < json_array_size(merges); i++)
        s = add_json_merge(t, json_array_get(merges, i), i + 1, where, err);
    return s;
}

enum status tokenizer_read_vocab(struct tokenizer *t, const struct tokenizer_source *source,
                                 struct error *err) {
    json_t *vocab;
    enum status s = parse(&vocab, source, 0, err);
    if (s == STATUS_OK) s = add_vocab(t, vocab, source->path, err);
    json_decref(vocab);
    return s;
}

/* --- added tokens --- */

static enum status add_added(struct tokenizer *t, struct added_token token, int64_t id,
                             const char *where, struct error *err) {
    if (id < 0 || id >= BPE_MAX_IDS)
        return fail(err, STATUS_INVALID,
                    "%s: the added token \"%.80s\" has id %lld; ids must be 0 to %d", where,
                    token.text, (long long)id, BPE_MAX_IDS - 1);
    token.size = strlen(token.text);
    token.id = (int32_t)id;
    size_t size = 0;
    int32_t known = bpe_token_id(t->bpe, token.text, token.size);
    const char *other = bpe_token_text(t->bpe, token.id, &size);
    if (known >= 0 && known != token.id)
        return fail(err, STATUS_INVALID,
                    "%s: the added token \"%.80s\" has id %d, but %d in the vocabulary", where,
                    token.text, (int)token.id, (int)known);
    if (known < 0 && other)
        return fail(err, STATUS_INVALID,
                    "%s: the added token \"%.80s\" has id %d, which is \"%.*s\" in the vocabulary",
                    where, token.text, (int)token.id, size < 80 ? (int)size : 80, other);
    if (standard_place(token.text) < CONTROL_COUNT) token.special = true;
    return added_tokens_add(&t->added, &token, where, err);
}

/* The fields and defaults of AddedToken. */
static enum status add_added_object(struct tokenizer *t, const json_t *object, int64_t id,
                                    const char *where, struct error *err) {
    json_t *text = json_object_get(object, "content");
    if (!json_is_string(text))
        return fail(err, STATUS_INVALID, "%s: the added token with id %lld has no \"content\"",
                    where, (long long)id);
    struct added_token token = {.text = (char *)json_string_value(text)}; /* never written to */
    enum status s = json_get_bool(object, "special", &token.special, where, err);
    token.normalized = !token.special;
    if (s == STATUS_OK) s = json_get_bool(object, "normalized", &token.normalized, where, err);
    if (s == STATUS_OK) s = json_get_bool(object, "single_word", &token.single_word, where, err);
    if (s == STATUS_OK) s = json_get_bool(object, "lstrip", &token.lstrip, where, err);
    if (s == STATUS_OK) s = json_get_bool(object, "rstrip", &token.rstrip, where, err);
    return s == STATUS_OK ? add_added(t, token, id, where, err) : s;
}

static enum status add_added_list(struct tokenizer *t, const json_t *list, const char *where,
                                  struct error *err) {
    if (list && !json_is_null(list) && !json_is_array(list))
        return fail(err, STATUS_INVALID, "%s: \"added_tokens\" must be a list", where);
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < json_array_size(list); i++) {
        const json_t *token = json_array_get(list, i);
        json_t *id = json_object_get(token, "id");
        if (!json_is_integer(id))
            return fail(err, STATUS_INVALID,
                        "%s: an entry of \"added_tokens\" has no integer \"id\"", where);
        s = add_added_object(t, token, json_integer_value(id), where, err);
    }
    return s;
}

enum status tokenizer_read_config(struct tokenizer *t, const struct tokenizer_source *source,
                                  struct error *err) {
    json_t *root, *value;
    const char *key;
    /* "model_max_length" is 1e30 written as an integer, too large for any C type */
    enum status s = parse(&root, source, JSON_DECODE_INT_AS_REAL, err);
    json_t *decoder = json_object_get(root, "added_tokens_decoder");
    if (decoder && !json_is_null(decoder) && !json_is_object(decoder))
        s = fail(err, STATUS_INVALID, "%s: \"added_tokens_decoder\" must be an object",
                 source->path);
    json_object_foreach(decoder, key, value) {
        char *end;
        long long id = strtoll(key, &end, 10);
        if (*end || end == key)
            s = fail(err, STATUS_INVALID, "%s: \"%.80s\" in \"added_tokens_decoder\" is not an id",
                     source->path, key);
        if (s == STATUS_OK) s = add_added_object(t, value, id, source->path, err);
        if (s != STATUS_OK) break;
    }
    json_decref(root);
    return s;
}

enum status tokenizer_read_added(struct tokenizer *t, const struct tokenizer_source *source,
                                 struct error *err) {
    json_t *root, *id;
    const char *text;
    enum status s = parse(&root, source, 0, err);
    json_object_foreach(root, text, id) {
        bool special =
            standard_place(text) < CONTROL_COUNT || standard_place(text) == STANDARD_COUNT;
        struct added_token token = {.text = (char *)text, .special = special};
        if (!json_is_integer(id))
            s = fail(err, STATUS_INVALID, "%s: the id of token \"%.80s\" is not an integer",
                     source->path, text);
        else
            s = add_added(t, token, json_integer_value(id), source->path, err);
        if (s != STATUS_OK) break;
    }
    json_decref(root);
    return s;
}

enum status tokenizer_add_standard(struct tokenizer *t, struct error *err) {
    enum status s = STATUS_OK;
    int64_t next = (int64_t)bpe_size(t->bpe);
    for (size_t i = 0; s == STATUS_OK && i < STANDARD_COUNT; i++) {
        struct added_token token = {.text = (char *)standard_tokens[i]};
        int32_t known = bpe_token_id(t->bpe, token.text, strlen(token.text));
        s = add_added(t, token, known < 0 ? next++ : known, "the standard tokens", err);
    }
    return s;
}

/* --- tokenizer.json --- */

static bool is_type(const json_t *object, const char *type) {
    const char *is = json_string_value(json_object_get(object, "type"));
    return is && strcmp(is, type) == 0;
}

static bool is_empty_or_null(const json_t *v) {
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static enum status check_model(const json_t *model, const char *where, struct error *err) {
    static const char *const unsupported[] = {
        "dropout",       "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
        "ignore_merges",
    };
    if (!json_is_object(model) || (json_object_get(model, "type") && !is_type(model, "BPE")))
        return fail(err, STATUS_INVALID, "%s: \"model\" is not a BPE", where);
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++)
        if (!is_empty_or_null(json_object_get(model, unsupported[i])))
            return fail(err, STATUS_INVALID, "%s: the model sets \"%s\", which Qwen2's does not",
                        where, unsupported[i]);
    if (!json_is_object(json_object_get(model, "vocab")))
        return fail(err, STATUS_INVALID, "%s: the model has no \"vocab\"", where);
    if (!json_is_array(json_object_get(model, "merges")))
        return fail(err, STATUS_INVALID, "%s: the model has no \"merges\"", where);
    return STATUS_OK;
}

/* NFC, then Split by Qwen's pattern, then ByteLevel doing nothing but the mapping of bytes. */
static enum status check_pipeline(const json_t *root, const char *where, struct error *err) {
    const json_t *stages = json_object_get(json_object_get(root, "pre_tokenizer"), "pretokenizers");
    const json_t *split = json_array_get(stages, 0), *bytes = json_array_get(stages, 1);
    const char *pattern =
        json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(split, "behavior"));
    if (!is_type(json_object_get(root, "normalizer"), "NFC"))
        return fail(err, STATUS_INVALID, "%s: the normalizer is not NFC, as Qwen2's is", where);
    if (json_array_size(stages) != 2 || !is_type(split, "Split") || !is_type(bytes, "ByteLevel"))
        return fail(err, STATUS_INVALID,
                    "%s: the pre_tokenizer is not Split and ByteLevel, as Qwen2's is", where);
    if (!pattern || strcmp(pattern, pretokenizer_pattern) != 0 || !behavior ||
        strcmp(behavior, "Isolated") != 0 || json_is_true(json_object_get(split, "invert")))
        return fail(err, STATUS_INVALID, "%s: the pattern that splits text is not Qwen2's", where);
    if (json_is_true(json_object_get(bytes, "add_prefix_space")) ||
        !json_is_false(json_object_get(bytes, "use_regex")))
        return fail(err, STATUS_INVALID,
                    "%s: ByteLevel must have neither add_prefix_space nor use_regex", where);
    const json_t *after = json_object_get(root, "post_processor");
    if (!is_empty_or_null(json_object_get(after, "special_tokens")))
        return fail(err, STATUS_INVALID,
                    "%s: the post_processor adds tokens, which Qwen2's does not", where);
    return STATUS_OK;
}

enum status tokenizer_read_json(struct tokenizer *t, const struct tokenizer_source *source,
                                struct error *err) {
    json_t *root;
    enum status s = parse(&root, source, 0, err);
    const json_t *model = json_object_get(root, "model");
    if (s == STATUS_OK) s = check_model(model, source->path, err);
    if (s == STATUS_OK) s = check_pipeline(root, source->path, err);
    if (s == STATUS_OK) s = add_vocab(t, json_object_get(model, "vocab"), source->path, err);
    if (s == STATUS_OK) s = add_merges(t, json_object_get(model, "merges"), source->path, err);
    if (s == STATUS_OK)
        s = add_added_list(t, json_object_get(root, "added_tokens"), source->path, err);
    json_decref(root);
    return s;
}
