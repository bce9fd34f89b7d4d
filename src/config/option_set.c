/*
 * From text to a field of struct config.  The sentence for a bad value is made in one place, from
 * what is allowed, so that each of them names the variable, the value, where it came from and what
 * would be right.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "config/options.h"
#include "config/values.h"

/* "a whole number from 1 to 256" */
static void describe_allowed(const struct option *o, char *out, size_t capacity) {
    switch (o->kind) {
    case OPTION_INT:
    case OPTION_INT64:
        snprintf(out, capacity, "a whole number from %.0f to %.0f", o->min, o->max);
        break;
    case OPTION_REAL: snprintf(out, capacity, "a number from %g to %.9g", o->min, o->max); break;
    case OPTION_MEMORY:
        snprintf(out, capacity, "a number of bytes, such as 800M or 12G, or auto");
        break;
    case OPTION_BYTES: snprintf(out, capacity, "a number of bytes, such as 800M or 12G"); break;
    case OPTION_CHOICE: choice_names(o->choices, out, capacity); break;
    case OPTION_LORAS: snprintf(out, capacity, "FILE[:SCALE], comma-separated"); break;
    case OPTION_PATH:
        snprintf(out, capacity, "at most 4096 bytes without control characters");
        break;
    case OPTION_TEXT:
    case OPTION_WORD: snprintf(out, capacity, "UTF-8 text of at most 65536 bytes"); break;
    case OPTION_SECRET: snprintf(out, capacity, "1 to 4096 visible ASCII characters"); break;
    case OPTION_PLACE:
        snprintf(out, capacity, "auto, cpu, cuda, or cuda:N with N from 0 to 999");
        break;
    case OPTION_HOST: snprintf(out, capacity, "a host name or an IP address"); break;
    case OPTION_ORIGINS:
        snprintf(out, capacity, "*, or origins like https://example.org, comma-separated");
        break;
    case OPTION_HOSTS:
        snprintf(out, capacity, "host names or IP addresses without a port, comma-separated");
        break;
    case OPTION_URL: snprintf(out, capacity, "a URL that starts with https:// or http://"); break;
    }
}

static enum status refuse(const struct option *o, const char *value, const char *source,
                          struct error *err) {
    char allowed[128];
    struct shown_value shown;
    describe_allowed(o, allowed, sizeof allowed);
    value_show(&shown, o->kind == OPTION_SECRET ? "(not shown)" : value);
    return fail(err, STATUS_INVALID, "%s=%s (from %s): must be %s", o->variable, shown.text,
                source ? source : "the environment", allowed);
}

static bool has_control(const char *value) {
    for (; *value; value++)
        if ((unsigned char)*value < 0x20 || *value == 0x7f) return true;
    return false;
}

/* UTF-8 without other control characters than these three. */
static bool is_plain_text(const char *value, size_t size) {
    if (!utf8_is_text(value, size)) return false;
    for (; *value; value++)
        if ((unsigned char)*value < 0x20 && !strchr("\n\t\r", *value)) return false;
    return true;
}

static bool is_visible_ascii(const char *value) {
    for (; *value; value++)
        if (*value <= 0x20 || *value >= 0x7f) return false;
    return true;
}

static bool is_place(const char *value) {
    if (strcmp(value, "auto") == 0 || strcmp(value, "cpu") == 0) return true;
    if (strncmp(value, "cuda", 4) != 0) return false;
    size_t digits = value[4] == ':' ? strspn(value + 5, "0123456789") : 0;
    return value[4] == '\0' || (digits >= 1 && digits <= 3 && value[5 + digits] == '\0');
}

static bool is_host(const char *value) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%";
    return strlen(value) <= 255 && value[strspn(value, allowed)] == '\0';
}

/* scheme://host[:port], and nothing after it, or null: that is what browsers send in Origin.  The
 * scheme is any: extensions and desktop applications have their own. */
static bool is_origin(const char *value, size_t length) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    if (length == 4 && memcmp(value, "null", 4) == 0) return true;
    size_t scheme = strspn(value, letters);
    if (scheme == 0 || *value > 'z' || *value < 'a' || scheme + 3 >= length ||
        memcmp(value + scheme, "://", 3) != 0)
        return false;
    for (size_t i = scheme + 3; i < length; i++)
        if (value[i] <= 0x20 || value[i] >= 0x7f || strchr("/?#*,\"\\", value[i])) return false;
    return true;
}

static bool is_origins(const char *value) {
    if (strcmp(value, "*") == 0) return true;
    for (;;) {
        value += strspn(value, " ");
        size_t length = strcspn(value, ","), end = length;
        while (end > 0 && value[end - 1] == ' ') end--;
        if (!is_origin(value, end)) return false;
        if (!value[length]) return true;
        value += length + 1;
    }
}

/* An address of IPv6 has two colons or more, in brackets or not; one colon is a port. */
static bool is_host_item(const char *value, size_t length) {
    char host[256];
    bool bracket = length > 2 && *value == '[' && value[length - 1] == ']';
    if (bracket) value++, length -= 2;
    if (length == 0 || length >= sizeof host) return false;
    memcpy(host, value, length);
    host[length] = '\0';
    const char *colon = strchr(host, ':');
    return is_host(host) && (colon ? strchr(colon + 1, ':') != NULL : !bracket);
}

static bool is_hosts(const char *value) {
    for (;;) {
        value += strspn(value, " ");
        size_t length = strcspn(value, ","), end = length;
        while (end > 0 && value[end - 1] == ' ') end--;
        if (!is_host_item(value, end)) return false;
        if (!value[length]) return true;
        value += length + 1;
    }
}

static bool is_string_of(enum option_kind kind, const char *value) {
    size_t length = strlen(value);
    switch (kind) {
    case OPTION_PATH: return length <= 4096 && !has_control(value);
    case OPTION_TEXT:
    case OPTION_WORD: return length <= 65536 && is_plain_text(value, length);
    case OPTION_SECRET: return length <= 4096 && is_visible_ascii(value);
    case OPTION_PLACE: return is_place(value);
    case OPTION_HOST: return is_host(value);
    case OPTION_ORIGINS: return length <= 65536 && is_origins(value);
    case OPTION_HOSTS: return length <= 65536 && is_hosts(value);
    case OPTION_URL: return length <= 4096 && value_url(value);
    default: return false;
    }
}

static const char blanks[] = " \t";

bool option_is_empty(const struct option *o, const char *value) {
    return o->kind == OPTION_TEXT ? !*value : !value[strspn(value, blanks)];
}

/* A copy of the value without what does not count: blanks around it, the brackets of an IPv6 address, a
 * device's capitals; and with the home directory in place of `~`.  NULL: no memory. */
static char *tidy(const struct option *o, const char *value) {
    if (o->kind == OPTION_TEXT) return strdup(value);
    value += strspn(value, blanks);
    size_t n = strlen(value);
    while (n > 0 && strchr(blanks, value[n - 1])) n--;
    if (o->kind == OPTION_HOST && n > 2 && *value == '[' && value[n - 1] == ']') {
        value++;
        n -= 2;
    }
    if (o->kind == OPTION_PATH) return value_path(value, n);
    char *copy = strndup(value, n);
    if (o->kind == OPTION_PLACE)
        for (char *p = copy; p && *p; p++) *p = (char)tolower((unsigned char)*p);
    return copy;
}

static enum status append_lora(struct config *c, struct firered_lora lora, struct error *err) {
    struct firered_lora *loras = realloc(c->loras, (c->lora_count + 1) * sizeof *loras);
    if (!loras) {
        free((char *)lora.path);
        return fail(err, STATUS_NO_MEMORY, "no memory for the settings");
    }
    c->loras = loras;
    loras[c->lora_count++] = lora;
    return STATUS_OK;
}

/* Moves *text behind the next comma that is none of a name, or to its end, and returns what stands
 * before it, without blanks around it, `\,` as a comma.  NULL: no memory. */
static char *next_of_list(const char **text) {
    const char *from = *text + strspn(*text, blanks);
    char *out = malloc(strlen(from) + 1);
    size_t n = 0;
    for (; out && *from && *from != ','; from++) {
        if (from[0] == '\\' && from[1] == ',') from++;
        out[n++] = *from;
    }
    while (n > 0 && strchr(blanks, out[n - 1])) n--;
    if (out) out[n] = '\0';
    *text = from;
    return out;
}

/* Adds the adapters of a list to those in *c.  A text that is one file as it stands is no list. */
static enum status add_loras(struct config *c, const char *value, const char *source,
                             struct error *err) {
    struct error why;
    struct firered_lora lora;
    enum status s = value_lora(value, &lora, &why);
    if (s == STATUS_OK && value_is_file(lora.path)) return append_lora(c, lora, err);
    if (s == STATUS_OK) free((char *)lora.path);
    for (;; value++) {
        char *one = next_of_list(&value);
        if (!one) return fail(err, STATUS_NO_MEMORY, "no memory for the settings");
        s = value_lora(one, &lora, &why);
        free(one);
        if (s == STATUS_OK) s = append_lora(c, lora, &why);
        if (s != STATUS_OK)
            return fail(err, s, "LORA (from %s): %.400s", source ? source : "the environment",
                        why.text);
        if (!*value) return STATUS_OK;
    }
}

static bool set_choice(void *field, const struct option *o, const char *value) {
    const struct choice *c = choice_find_word(o->choices, value);
    if (c) memcpy(field, &c->value, sizeof c->value); /* an enum is as wide as an int here */
    return c != NULL;
}
_Static_assert(sizeof(enum firered_dtype) == sizeof(int), "set_choice stores ints into enums");

/* Reads a tidy value into the field.  False: it is none. */
static bool set_field(void *field, const struct option *o, const char *value) {
    int64_t whole;
    switch (o->kind) {
    case OPTION_INT:
        if (!value_int(value, (int64_t)o->min, (int64_t)o->max, &whole)) return false;
        *(int *)field = (int)whole;
        return true;
    case OPTION_INT64: return value_int(value, (int64_t)o->min, (int64_t)o->max, field);
    case OPTION_REAL: return value_real(value, o->min, o->max, field);
    case OPTION_MEMORY:
        if (strcasecmp(value, "auto") != 0) return value_bytes(value, field);
        *(uint64_t *)field = FIRERED_MEMORY_AUTO;
        return true;
    case OPTION_BYTES: return value_bytes(value, field);
    case OPTION_CHOICE: return set_choice(field, o, value);
    default: return is_string_of(o->kind, value);
    }
}

bool option_is_string(const struct option *o) {
    switch (o->kind) {
    case OPTION_INT:
    case OPTION_INT64:
    case OPTION_REAL:
    case OPTION_MEMORY:
    case OPTION_BYTES:
    case OPTION_CHOICE:
    case OPTION_LORAS: return false;
    default: return true;
    }
}

enum status option_set(struct config *c, const struct option *o, const char *value,
                       const char *source, struct error *err) {
    void *field = (char *)c + o->offset;
    if (o->kind == OPTION_LORAS) {
        loras_free(c->loras, c->lora_count);
        c->loras = NULL;
        c->lora_count = 0;
        return add_loras(c, value, source, err);
    }
    char *text = tidy(o, value);
    if (!text) return fail(err, STATUS_NO_MEMORY, "no memory for the settings");
    enum status s = set_field(field, o, text) ? STATUS_OK : refuse(o, value, source, err);
    if (s == STATUS_OK && option_is_string(o)) {
        free(*(char **)field);
        *(char **)field = text;
        return s;
    }
    free(text);
    return s;
}

enum status option_add(struct config *c, const struct option *o, const char *value,
                       const char *source, struct error *err) {
    return o->kind == OPTION_LORAS ? add_loras(c, value, source, err)
                                   : option_set(c, o, value, source, err);
}
