/*
 * One question is a chain of requests: a hop for each redirect, and the chain again for each retry.
 * What the hub says about a file (size, hash, commit) is taken from its own answers on the way, not
 * from where they lead to.
 */
#include "hub/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hash.h"
#include "hub/refusal.h"

enum { HOPS = 10, LONGEST_WAIT = 310, WAIT_UNSAID = 5, PAGES = 100, SMALL_ANSWER = 1 << 16 };

struct question {
    const char *url;
    bool only_head;
    bool elsewhere;              /* another origin may be where it leads; else that is an error */
    size_t limit;                /* of the body */
    const char *revision, *path; /* for the sentences */
};

struct answer {
    struct buffer body;
    char *url;       /* where it came from at the end, or where it leads to */
    bool leads_away; /* `url` is of another origin, and was not asked */
    char *next;      /* the next page; NULL: none */
    char commit[HUB_COMMIT_SIZE], hash[HUB_HASH_SIZE];
    bool has_size;
    uint64_t size;
};

struct asking {
    const struct hub_remote *remote;
    const struct question *question;
    struct answer *answer;
    struct hub_refusal refusal;
    double wait;   /* of 429 */
    bool too_long; /* the body was */
    bool final;    /* trying again is of no use */
};

bool hub_remote_ended(const struct hub_remote *r) {
    return hub_cancelled(r->options) || (r->stopped && r->stopped(r->arg));
}

static bool on_cancelled(void *arg) {
    return hub_remote_ended(((struct asking *)arg)->remote);
}

static bool on_body(void *arg, const char *bytes, size_t size) {
    struct asking *a = arg;
    a->too_long = size > a->question->limit - a->answer->body.size;
    return !a->too_long && buffer_append(&a->answer->body, bytes, size, NULL) == STATUS_OK &&
           hub_lanes_slow_down(a->remote->lanes, size);
}

double hub_wait_asked(struct http_connection *c) {
    const char *retry = http_get_header(c, "Retry-After"), *limit = http_get_header(c, "RateLimit");
    const char *t = limit ? strstr(limit, ";t=") : NULL;
    double seconds = retry ? strtod(retry, NULL) : 0;
    if (!(seconds > 0)) seconds = t ? strtod(t + 3, NULL) : 0;
    if (!(seconds > 0)) seconds = WAIT_UNSAID;
    return seconds > LONGEST_WAIT ? LONGEST_WAIT : seconds;
}

enum status hub_unreachable(const struct hub_options *o, const struct http_get *get,
                            struct error *err) {
    size_t host = strcspn(get->url, "?");
    struct hub_text url = hub_shown(get->url, host), why = hub_shown(get->why, strlen(get->why));
    if (get->end == HTTP_GET_CANCELLED) return fail(err, STATUS_CANCELLED, "interrupted");
    if (get->end == HTTP_GET_CERTIFICATE)
        return fail(
            err, STATUS_IO,
            "the certificate of %.120s is not accepted (%s): is this machine's clock right, "
            "and does SSL_CERT_FILE name the authorities to trust?",
            url.text, why.text);
    if (get->status && get->end == HTTP_GET_WHOLE)
        return fail(err, STATUS_IO, "%.150s answers with status %d, also after %d tries", url.text,
                    get->status, HUB_RETRIES + 1);
    return fail(err, STATUS_IO, "no answer from %.150s: %s", url.text,
                *why.text ? why.text : "the connection broke");
    (void)o;
}

/* The hub's own word on the file; the first answer that has one counts. */
static void take_facts(struct answer *a, struct http_connection *c) {
    const char *commit = http_get_header(c, "X-Repo-Commit");
    const char *size = http_get_header(c, "X-Linked-Size");
    const char *hash = http_get_header(c, "X-Linked-Etag");
    if (commit && hub_is_commit(commit) && !*a->commit) memcpy(a->commit, commit, HUB_COMMIT_SIZE);
    if (size && !a->has_size) a->has_size = http_get_number(size, &a->size) != NULL;
    if (hash && !*a->hash) {
        if (strncmp(hash, "W/", 2) == 0) hash += 2;
        if (*hash == '"') hash++;
        size_t n = strspn(hash, "0123456789abcdef");
        if (n == 40 || n == 64) memcpy(a->hash, hash, n);
        if (n == 40 || n == 64) a->hash[n] = '\0';
    }
}

static void take_refusal(struct asking *a, struct http_connection *c, int status) {
    const char *code = http_get_header(c, "X-Error-Code");
    const char *message = http_get_header(c, "X-Error-Message");
    a->refusal = (struct hub_refusal){
        .status = status, .revision = a->question->revision, .path = a->question->path};
    snprintf(a->refusal.code, sizeof a->refusal.code, "%s", code ? code : "");
    if (message)
        snprintf(a->refusal.message, sizeof a->refusal.message, "%s",
                 hub_shown(message, strlen(message)).text);
}

static bool take_next(struct asking *a, struct http_connection *c, const char *url) {
    const char *link = http_get_header(c, "Link"), *next;
    size_t size;
    if (!link || !hub_link_next(link, &next, &size)) return true;
    char *text = strndup(next, size);
    a->answer->next = text ? http_join(url, text) : NULL;
    free(text);
    return a->answer->next && http_same_origin(a->answer->next, a->remote->options->endpoint);
}

/* Follows one redirect: *url becomes where it leads.  False with *s set: the chain ends here. */
static bool follow(struct asking *a, struct http_connection *c, char **url, enum status *s,
                   struct error *err) {
    const struct hub_options *o = a->remote->options;
    const char *location = http_get_header(c, "Location");
    char *next = location ? http_join(*url, location) : NULL;
    bool home = next && http_same_origin(next, o->endpoint);
    a->final = true;
    *s = STATUS_IO;
    if (!next)
        fail(err, *s, "%s redirects to what is no address of http or https", o->endpoint);
    else if (http_is_secure(*url) && !http_is_secure(next))
        fail(err, *s, "%s redirects from https to http, which is not followed", o->endpoint);
    else if (!home && !a->question->elsewhere)
        fail(err, *s,
             "%s sends on to %.150s: it is no hub of its own; set HF_ENDPOINT to the one "
             "that answers",
             o->endpoint, hub_shown(next, strcspn(next, "?")).text);
    else
        *s = STATUS_OK;
    if (*s != STATUS_OK) {
        free(next);
        return false;
    }
    a->final = false;
    free(*url);
    *url = next;
    a->answer->leads_away = !home && a->question->only_head;
    return !a->answer->leads_away;
}

/* What an answer that is no redirect means: STATUS_OK, or a failure to try again, or a final one. */
static enum status judge(struct asking *a, struct http_connection *c, const struct http_get *get,
                         struct error *err) {
    const struct hub_options *o = a->remote->options;
    if (get->end == HTTP_GET_STOPPED) {
        a->final = true;
        return a->too_long
                   ? fail(err, STATUS_INVALID, "%s answers with more than it may", o->endpoint)
                   : fail(err, STATUS_NO_MEMORY, "no memory for the hub's answer");
    }
    if (get->end != HTTP_GET_WHOLE) {
        a->final = get->end != HTTP_GET_BROKEN;
        return hub_unreachable(o, get, err);
    }
    if (get->status == 200) {
        if (take_next(a, c, get->url)) return STATUS_OK;
        a->final = true;
        return fail(err, STATUS_INVALID, "%s leads to another server for the next page of its list",
                    o->endpoint);
    }
    if (get->status == 429) a->wait = hub_wait_asked(c);
    if (get->status == 429 || get->status == 408 || get->status >= 500)
        return hub_unreachable(o, get, err);
    a->final = true;
    take_refusal(a, c, get->status);
    return hub_refused(o, a->remote->id, &a->refusal, err);
}

static enum status ask_once(struct asking *a, struct http_connection *c, struct error *err) {
    const struct hub_options *o = a->remote->options;
    char *url = strdup(a->question->url);
    enum status s = url ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for a URL");
    for (int hops = 0; s == STATUS_OK; hops++) {
        bool home = http_same_origin(url, o->endpoint);
        struct http_get get = {.url = url,
                               .only_head = a->question->only_head,
                               .token = home ? o->token : NULL,
                               .route = &o->route,
                               .seconds = o->seconds,
                               .body = on_body,
                               .cancelled = on_cancelled,
                               .arg = a};
        a->answer->body.size = 0;
        http_get_run(c, &get);
        bool redirect = get.end == HTTP_GET_WHOLE && get.status >= 301 && get.status <= 308 &&
                        get.status != 304;
        if (home && get.end == HTTP_GET_WHOLE) take_facts(a->answer, c);
        if (!redirect) {
            s = judge(a, c, &get, err);
            break;
        }
        if (hops == HOPS) {
            a->final = true;
            s = fail(err, STATUS_IO, "%s redirects more than %d times", o->endpoint, HOPS);
        } else if (!follow(a, c, &url, &s, err)) {
            break;
        }
    }
    free(a->answer->url);
    a->answer->url = url;
    return s;
}

static void answer_free(struct answer *a) {
    buffer_free(&a->body);
    free(a->url);
    free(a->next);
    *a = (struct answer){0};
}

static enum status ask(const struct hub_remote *r, const struct question *q, struct answer *out,
                       struct error *err) {
    const struct hub_options *o = r->options;
    *out = (struct answer){0};
    for (int tries = 0, waits = 0;;) {
        struct asking a = {.remote = r, .question = q, .answer = out};
        struct http_connection *lane = hub_lanes_take(r->lanes);
        answer_free(out);
        enum status s = hub_remote_ended(r) ? fail(err, STATUS_CANCELLED, "interrupted")
                                            : ask_once(&a, lane, err);
        hub_lanes_give(r->lanes, lane);
        if (s == STATUS_OK || s == STATUS_CANCELLED || a.final) return s;
        if (a.wait > 0 && ++waits > HUB_WAITS) return s;
        if (a.wait == 0 && ++tries > HUB_RETRIES) return s;
        if (a.wait > 0)
            hub_say(o, HUB_EVENT_WAIT, "%s asks to wait for %.0f s", o->endpoint, a.wait);
        else if (tries > 1 && err)
            hub_say(o, HUB_EVENT_WAIT, "%s; trying again", err->text);
        if (!hub_sleep(o, a.wait > 0 ? a.wait : hub_pause(o, tries)))
            return fail(err, STATUS_CANCELLED, "interrupted");
    }
}

/* Appends text for a URL's path: letters, digits, -._~ and, with `slashes`, '/' stay. */
static enum status quote(struct buffer *out, const char *text, bool slashes) {
    enum status s = STATUS_OK;
    for (; s == STATUS_OK && *text; text++) {
        char c = *text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) || (slashes && c == '/');
        s = plain ? buffer_append(out, text, 1, NULL)
                  : buffer_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
    return s;
}

static enum status not_a_hub(const struct hub_options *o, struct error *err) {
    struct error why = *err;
    return fail(err, STATUS_INVALID, "%s does not answer like a hub: %s", o->endpoint, why.text);
}

enum status hub_remote_commit(const struct hub_remote *r, const char *revision,
                              char commit[HUB_COMMIT_SIZE], struct error *err) {
    struct buffer url = {0};
    struct answer a = {0};
    struct question q = {.limit = HUB_JSON_BYTES, .revision = revision};
    enum status s = buffer_printf(&url, "%s/api/models/%s/%s/revision/", r->options->endpoint,
                                  r->id->org, r->id->name);
    if (s == STATUS_OK) s = quote(&url, revision, false);
    q.url = url.data;
    s = s == STATUS_OK ? ask(r, &q, &a, err) : fail(err, s, "no memory for a URL");
    if (s == STATUS_OK) {
        s = hub_revision_read(commit, a.body.data ? a.body.data : "", a.body.size, err);
        if (s == STATUS_INVALID) s = not_a_hub(r->options, err);
    }
    answer_free(&a);
    buffer_free(&url);
    return s;
}

enum status hub_remote_tree(const struct hub_remote *r, const char *commit, struct hub_tree *tree,
                            struct error *err) {
    struct buffer url = {0};
    size_t bytes = 0;
    enum status s = buffer_printf(&url, "%s/api/models/%s/%s/tree/%s?recursive=true",
                                  r->options->endpoint, r->id->org, r->id->name, commit);
    if (s != STATUS_OK) s = fail(err, s, "no memory for a URL");
    for (int page = 0; s == STATUS_OK; page++) {
        struct answer a = {0};
        struct question q = {.url = url.data, .limit = HUB_JSON_BYTES - bytes, .revision = commit};
        if (page == PAGES) {
            s = fail(err, STATUS_INVALID, "the list of the hub has more than %d pages", PAGES);
            break;
        }
        s = ask(r, &q, &a, err);
        bytes += a.body.size;
        if (s == STATUS_OK) {
            s = hub_tree_add(tree, a.body.data ? a.body.data : "", a.body.size, err);
            if (s == STATUS_INVALID) s = not_a_hub(r->options, err);
        }
        buffer_free(&url);
        if (s == STATUS_OK && a.next && buffer_printf(&url, "%s", a.next) != STATUS_OK)
            s = fail(err, STATUS_NO_MEMORY, "no memory for a URL");
        answer_free(&a);
        if (!url.data) break;
    }
    buffer_free(&url);
    return s == STATUS_OK ? hub_tree_finish(tree, err) : s;
}

static enum status file_url(const struct hub_remote *r, const char *commit,
                            const struct hub_file *file, struct buffer *url, struct error *err) {
    enum status s = buffer_printf(url, "%s/%s/%s/resolve/%s/", r->options->endpoint, r->id->org,
                                  r->id->name, commit);
    if (s == STATUS_OK) s = quote(url, file->path, true);
    return s == STATUS_OK ? s : fail(err, s, "no memory for a URL");
}

/* What the hub says about the file itself against what its list says. */
static enum status check_facts(const struct hub_remote *r, const struct answer *a,
                               const char *commit, const struct hub_file *file, struct error *err) {
    const char *endpoint = r->options->endpoint;
    if (!*a->commit)
        return fail(err, STATUS_INVALID,
                    "%s sends no X-Repo-Commit with %s: it does not answer like a hub", endpoint,
                    file->path);
    if (strcmp(a->commit, commit) != 0)
        return fail(err, STATUS_INVALID, "%s has %s of commit %.8s, not of %.8s", endpoint,
                    file->path, a->commit, commit);
    if (a->has_size && a->size != file->size)
        return fail(err, STATUS_INVALID,
                    "%s lists %s with %" PRIu64 " bytes, and serves it with %" PRIu64, endpoint,
                    file->path, file->size, a->size);
    if (*a->hash && strcmp(a->hash, file->hash) != 0)
        return fail(err, STATUS_INVALID, "%s lists %s with one hash, and serves it with another",
                    endpoint, file->path);
    return STATUS_OK;
}

enum status hub_remote_resolve(const struct hub_remote *r, const char *commit,
                               const struct hub_file *file, struct hub_place *out,
                               struct error *err) {
    struct buffer url = {0};
    *out = (struct hub_place){0};
    enum status s = file_url(r, commit, file, &url, err);
    for (int tries = 1; s == STATUS_OK; tries++) {
        struct answer a;
        struct question q = {.url = url.data,
                             .only_head = true,
                             .elsewhere = true,
                             .revision = commit,
                             .path = file->path};
        enum status asked = ask(r, &q, &a, err);
        s = asked == STATUS_OK ? check_facts(r, &a, commit, file, err) : asked;
        if (s == STATUS_OK) {
            *out = (struct hub_place){a.url, !a.leads_away};
            a.url = NULL;
        }
        answer_free(&a);
        if (s == STATUS_OK || asked != STATUS_OK || tries == 2) break;
        s = hub_sleep(r->options, hub_pause(r->options, tries))
                ? STATUS_OK
                : fail(err, STATUS_CANCELLED, "interrupted");
    }
    buffer_free(&url);
    return s;
}

static bool is_right(const struct hub_file *file, const struct buffer *bytes) {
    struct hub_hash *hash;
    char is[HUB_HASH_SIZE] = "";
    if (bytes->size != file->size || hub_hash_create(&hash, file, NULL) != STATUS_OK) return false;
    hub_hash_add(hash, bytes->data, bytes->size);
    hub_hash_end(hash, is);
    return strcmp(is, file->hash) == 0;
}

enum status hub_remote_read(const struct hub_remote *r, const char *commit,
                            const struct hub_file *file, struct buffer *out, struct error *err) {
    struct buffer url = {0};
    enum status s = file_url(r, commit, file, &url, err);
    for (int tries = 1; s == STATUS_OK; tries++) {
        struct answer a;
        struct question q = {.url = url.data,
                             .elsewhere = true,
                             .limit = file->size < SMALL_ANSWER ? SMALL_ANSWER : file->size + 1,
                             .revision = commit,
                             .path = file->path};
        enum status asked = ask(r, &q, &a, err);
        s = asked == STATUS_OK ? check_facts(r, &a, commit, file, err) : asked;
        if (s == STATUS_OK && !is_right(file, &a.body))
            s = fail(err, STATUS_INVALID,
                     "%s came wrong twice from %s: its hash is not the listed one", file->path,
                     r->options->endpoint);
        if (s == STATUS_OK) {
            *out = a.body;
            a.body = (struct buffer){0};
        }
        bool mend =
            s != STATUS_OK && (asked == STATUS_OK || asked == STATUS_INVALID) && tries < 2 && a.url;
        answer_free(&a);
        if (!mend) break;
        s = hub_sleep(r->options, hub_pause(r->options, tries))
                ? STATUS_OK
                : fail(err, STATUS_CANCELLED, "interrupted");
    }
    buffer_free(&url);
    return s;
}
