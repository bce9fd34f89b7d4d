/*
 * One judge, asked twice: by framing_look with the bytes of a head, and by dispatch.c with what the
 * library made of them.
 */
#include "http/framing.h"

#include <string.h>
#include <strings.h>

/* The library's memory for a connection has places for about 450. */
enum { MAX_PARAMETERS = 400, MAX_COOKIES = 400 };

static bool is_token(const char *s, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = s[i], small = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(small >= 'a' && small <= 'z') &&
            (!c || !strchr(others, c)))
            return false;
    }
    return n > 0;
}

static bool is_host(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c >= 0x7f || strchr("/@?#\\\"<>^`{|}", c)) return false;
    }
    return true;
}

static bool are_digits(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return n > 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_named(const char *name, size_t n, const char *header) {
    return n == strlen(header) && strncasecmp(name, header, n) == 0;
}

static const char *judge(struct framing *f, const char *name, size_t name_size, const char *value,
                         size_t n) {
    if (!is_token(name, name_size)) return "a header's name is no token";
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return "a header's value has a control character in it";
    if (is_named(name, name_size, "Content-Length")) {
        if (f->lengths++) return "there is more than one Content-Length";
        if (!are_digits(value, n)) return "Content-Length is no number";
    } else if (is_named(name, name_size, "Transfer-Encoding")) {
        if (f->codings++) return "there is more than one Transfer-Encoding";
        if (f->old) return "HTTP/1.0 has no Transfer-Encoding";
        if (!is_named(value, n, "chunked"))
            return "the only Transfer-Encoding that is understood is chunked";
    } else if (is_named(name, name_size, "Host")) {
        if (f->hosts++) return "there is more than one Host";
        if (!is_host(value, n)) return "Host is no name of a host";
    }
    return NULL;
}

void framing_header(struct framing *f, const char *name, size_t name_size, const char *value,
                    size_t value_size) {
    while (value_size && is_blank(*value)) value++, value_size--;
    bool blanks = value_size && is_blank(value[value_size - 1]);
    while (value_size && is_blank(value[value_size - 1])) value_size--;
    const char *wrong = judge(f, name, name_size, value, value_size);
    /* The library reads these two by itself, takes the first for no number, and the second for a body
     * without end. */
    if (blanks && !wrong && is_named(name, name_size, "Content-Length"))
        wrong = "Content-Length has blanks behind its number";
    if (blanks && !wrong && is_named(name, name_size, "Transfer-Encoding"))
        wrong = "Transfer-Encoding has blanks behind its value";
    if (!f->wrong) f->wrong = wrong;
}

const char *framing_wrong(const struct framing *f) {
    if (f->wrong) return f->wrong;
    if (f->lengths && f->codings) return "Content-Length and Transfer-Encoding exclude each other";
    if (!f->old && !f->hosts) return "a Host header is missing";
    return NULL;
}

/* ---- bytes ---- */

static bool refuse(enum http_error *code, const char **detail, enum http_error e, const char *why) {
    *code = e;
    *detail = why;
    return false;
}

static bool has_nul_in_path(const char *target, size_t n) {
    for (size_t i = 0; i + 3 <= n && target[i] != '?'; i++)
        if (memcmp(target + i, "%00", 3) == 0) return true;
    return false;
}

static int count(const char *s, size_t n, char wanted) {
    int found = 0;
    for (size_t i = 0; i < n; i++) found += s[i] == wanted;
    return found;
}

/* METHOD SP TARGET SP VERSION */
static bool look_at_request_line(struct framing *f, const char *line, size_t n,
                                 enum http_error *code, const char **detail) {
    const char *end = line + n, *target = memchr(line, ' ', n);
    const char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
    if (!version || version == target + 1 || !is_token(line, (size_t)(target - line)) ||
        end - version != 9 || memcmp(version, " HTTP/", 6) != 0 || version[7] != '.')
        return refuse(code, detail, HTTP_INVALID_REQUEST, "the first line is no HTTP request");
    size_t target_size = (size_t)(version - ++target);
    f->old = memcmp(version, " HTTP/1.0", 9) == 0;
    if (!f->old && memcmp(version, " HTTP/1.1", 9) != 0)
        return refuse(code, detail, HTTP_VERSION_NOT_SUPPORTED,
                      "this server speaks HTTP/1.1 and HTTP/1.0");
    if (has_nul_in_path(target, target_size))
        return refuse(code, detail, HTTP_INVALID_REQUEST, "the path has a NUL in it");
    if (count(target, target_size, '&') >= MAX_PARAMETERS)
        return refuse(code, detail, HTTP_HEADERS_TOO_LARGE,
                      "there are more query parameters than are read");
    return true;
}

static bool look_at_header(struct framing *f, const char *line, size_t n, enum http_error *code,
                           const char **detail) {
    if (is_blank(*line))
        return refuse(code, detail, HTTP_INVALID_REQUEST, "a header is folded over two lines");
    const char *colon = memchr(line, ':', n);
    if (!colon) return refuse(code, detail, HTTP_INVALID_REQUEST, "a header has no colon");
    framing_header(f, line, (size_t)(colon - line), colon + 1, (size_t)(line + n - colon - 1));
    if (!f->wrong && is_named(line, (size_t)(colon - line), "Cookie") &&
        count(colon, (size_t)(line + n - colon), ';') >= MAX_COOKIES)
        return refuse(code, detail, HTTP_HEADERS_TOO_LARGE, "there are more cookies than are read");
    if (!f->wrong) return true;
    return refuse(code, detail, HTTP_INVALID_REQUEST, f->wrong);
}

/* A line of the head without its end, or what has come of one; NULL: it may stand. */
static const char *wrong_in_line(const char *line, size_t n) {
    if (memchr(line, '\0', n)) return "the head has a NUL in it";
    const char *cr = memchr(line, '\r', n);
    return cr && cr + 1 < line + n ? "the head has a CR in it that ends no line" : NULL;
}

static const char *const bare_lf = "a line ends in LF without CR";

/* The first chunk's line, where it has come. */
static bool ends_in_bare_lf(const char *bytes, size_t n) {
    const char *lf = n ? memchr(bytes, '\n', n) : NULL;
    return lf && (lf == bytes || lf[-1] != '\r');
}

bool framing_look(const char *bytes, size_t size, size_t max_size, enum http_error *code,
                  const char **detail) {
    struct framing f = {0};
    const char *p = bytes, *end = bytes + size, *lf, *wrong;
    while (end - p >= 2 && p[0] == '\r' && p[1] == '\n') p += 2; /* RFC 9112 2.2 */
    if (p < end && *p != '\r' && !is_token(p, 1))
        return refuse(code, detail, HTTP_INVALID_REQUEST, "the first line is no HTTP request");
    for (bool first = true; (lf = memchr(p, '\n', (size_t)(end - p))); first = false, p = lf + 1) {
        size_t n = (size_t)(lf - p);
        if (n == 0 || lf[-1] != '\r') return refuse(code, detail, HTTP_INVALID_REQUEST, bare_lf);
        wrong = wrong_in_line(p, n--);
        if (wrong) return refuse(code, detail, HTTP_INVALID_REQUEST, wrong);
        if (n == 0) break;
        if (!(first ? look_at_request_line : look_at_header)(&f, p, n, code, detail)) return false;
        if ((size_t)(lf - bytes) >= max_size) break;
    }
    if ((size_t)((lf ? lf : end) - bytes) >= max_size)
        return refuse(code, detail, HTTP_HEADERS_TOO_LARGE, "the request's head is too large");
    wrong = lf ? framing_wrong(&f) : wrong_in_line(p, (size_t)(end - p));
    if (!wrong && lf && f.codings && ends_in_bare_lf(lf + 1, (size_t)(end - lf - 1)))
        wrong = bare_lf;
    return !wrong || refuse(code, detail, HTTP_INVALID_REQUEST, wrong);
}
