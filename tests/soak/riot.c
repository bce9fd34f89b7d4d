/*
 * Every client has raw sockets only, one at a time, and waits longer than the server's own limit of
 * time (TIMEOUT_SECONDS) before it says that an answer is missing.
 * What is random comes from its dice; what then happens depends on the machine all the same.
 */
#include "soak/riot.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"

enum { FEW_MS = 150, PATIENCE_SECONDS = 150 };

static const char *const pages[] = {"/health", "/ready", "/info", "/docs", "/openapi.json", "/"};

const char *riot_route_name(enum riot_route route) {
    static const char *const names[RIOT_PAGES] = {
        [RIOT_EDIT] = "/edit",
        [RIOT_JOBS] = "/v1/jobs",
        [RIOT_OPENAI] = "/v1/images/edits",
        [RIOT_JOB] = "/v1/jobs/{id}",
        [RIOT_EVENTS] = "/v1/jobs/{id}/events",
        [RIOT_RESULT] = "/v1/jobs/{id}/result",
    };
    return route < RIOT_PAGES ? names[route] : pages[route - RIOT_PAGES];
}

static unsigned draw(struct rioter *r, unsigned below) {
    return throw_dice(&r->dice, below);
}

static void wrong(struct rioter *r, const char *what, const struct answer *a) {
    if (atomic_fetch_add(&r->riot->wrong, 1) >= 10) return;
    size_t n = a && a->body.size < 300 ? a->body.size : 300;
    print_error("%s: %d %.*s\n", what, a ? a->status : 0, a && a->body.data ? (int)n : 0,
                a && a->body.data ? a->body.data : "");
}

/* The server that is to end owes nobody an answer. */
static void missing(struct rioter *r, const char *what) {
    if (!atomic_load(&r->riot->ending)) wrong(r, what, NULL);
}

static void count_seen(struct rioter *r, enum riot_route route, int status) {
    if (status > 0 && status < MOST_STATUS) atomic_fetch_add(&r->riot->seen[route][status], 1);
}

static void unsure(struct rioter *r, long requests) {
    atomic_fetch_add(&r->riot->unsure, requests);
}

/* ---- connections ---- */

static int dial(struct rioter *r) {
    int fd = raw_connect(r->riot->server);
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    if (fd < 0) missing(r, "cannot connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void reset(int fd) {
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void leave(struct rioter *r, int fd) {
    if (draw(r, 2))
        reset(fd);
    else
        close(fd);
}

/* What comes until the end, or until nothing has come for so long; true: the end has come.  Slowly:
 * in small sips. */
static bool drink(struct rioter *r, int fd, struct buffer *out, int patience_ms, bool slowly) {
    enum { ENOUGH = 1 << 20, SIP = 700 };
    char bytes[16384];
    while (out->size < ENOUGH) {
        struct pollfd readable = {fd, POLLIN, 0};
        if (poll(&readable, 1, patience_ms) <= 0) return false;
        ssize_t n = recv(fd, bytes, slowly ? SIP : sizeof bytes, 0);
        if (n <= 0) return true;
        buffer_append(out, bytes, (size_t)n, NULL);
        if (slowly) sleep_ms((int)draw(r, 5));
    }
    return false;
}

/* Of what was drunk: where the answer begins, behind interim ones; an empty text: there is none. */
static const char *answer_in(const struct buffer *got) {
    const char *head = got->data ? got->data : "", *end;
    while (strncmp(head, "HTTP/1.1 100", 12) == 0 && (end = strstr(head, "\r\n\r\n")))
        head = end + 4;
    return strstr(head, "\r\n\r\n") ? head : "";
}

static int status_of(const char *head) {
    int status = 0;
    return sscanf(head, "HTTP/1.%*d %d", &status) == 1 ? status : 0;
}

static void build_get(struct buffer *out, const char *method, const char *path) {
    buffer_printf(out, "%s %s HTTP/1.1\r\nHost: test\r\n\r\n", method, path);
}

static void build_post(struct buffer *out, enum riot_route route, const struct buffer *form) {
    buffer_printf(out,
                  "POST %s HTTP/1.1\r\nHost: test\r\n"
                  "Content-Type: multipart/form-data; boundary=" BOUNDARY
                  "\r\nContent-Length: %zu\r\n\r\n",
                  riot_route_name(route), form->size);
    buffer_append(out, form->data, form->size, NULL);
}

/* Reads an answer of this route, and closes. */
static int hear(struct rioter *r, enum riot_route route, int fd, struct answer *a) {
    int64_t from = now_ms();
    char what[96];
    raw_read_answer(fd, a);
    close(fd);
    count_seen(r, route, a->status);
    snprintf(what, sizeof what, "no answer from %s in %lld ms", riot_route_name(route),
             (long long)(now_ms() - from));
    if (!a->status) missing(r, what);
    return a->status;
}

static int ask(struct rioter *r, enum riot_route route, const char *method, const char *path,
               struct answer *a) {
    struct buffer request = {0};
    int fd = dial(r);
    *a = (struct answer){0};
    if (fd < 0) return 0;
    build_get(&request, method, path);
    raw_try_send(fd, request.data, request.size);
    buffer_free(&request);
    return hear(r, route, fd, a);
}

/* ---- what comes back ---- */

static bool says(const struct answer *a, const char *text) {
    return a->body.size && memmem(a->body.data, a->body.size, text, strlen(text));
}

static void judge_picture(struct rioter *r, const struct answer *a, const struct known_edit *edit) {
    if (a->body.size == edit->picture.size &&
        memcmp(a->body.data, edit->picture.data, a->body.size) == 0)
        atomic_fetch_add(&r->riot->right, 1);
    else
        wrong(r, "another picture", a);
}

/* Refused as promised. */
static bool is_refusal(struct rioter *r, const struct answer *a) {
    if (a->status == 503 && says(a, "queue_full")) return true;
    return atomic_load(&r->riot->ending) &&
           (a->status == 0 || (a->status == 503 && says(a, "shutting_down")));
}

static void judge(struct rioter *r, enum riot_route route, struct answer *a,
                  const struct known_edit *edit) {
    if (a->status == 200 && route == RIOT_EDIT)
        judge_picture(r, a, edit);
    else if (a->status == 200 && route == RIOT_OPENAI && says(a, edit->base64.data))
        atomic_fetch_add(&r->riot->right, 1);
    else if (a->status && !is_refusal(r, a))
        wrong(r, riot_route_name(route), a);
    answer_free(a);
}

/* ---- edits ---- */

static const struct known_edit *any_edit(struct rioter *r) {
    return &r->riot->known[draw(r, KNOWN_EDITS)];
}

static enum riot_route edit_or_openai(struct rioter *r) {
    return draw(r, 3) ? RIOT_EDIT : RIOT_OPENAI;
}

/* A valid edit whose bytes come whole, or in pieces; the sending half may be closed behind it. */
static void send_edit(struct rioter *r, bool in_pieces, bool half_close) {
    const struct known_edit *edit = any_edit(r);
    enum riot_route route = edit_or_openai(r);
    struct buffer request = {0};
    struct answer a;
    int fd = dial(r);
    if (fd < 0) return;
    build_post(&request, route, &edit->form);
    for (size_t at = 0, n; at < request.size; at += n) {
        size_t left = request.size - at;
        n = in_pieces ? 1 + draw(r, (unsigned)request.size / 4) : left;
        if (n > left) n = left;
        if (!raw_try_send(fd, request.data + at, n)) break;
        if (in_pieces) sleep_ms((int)draw(r, 6));
    }
    buffer_free(&request);
    if (half_close) shutdown(fd, SHUT_WR);
    hear(r, route, fd, &a);
    judge(r, route, &a, edit);
}

static void edit(struct rioter *r) {
    send_edit(r, false, false);
}

static void edit_in_pieces(struct rioter *r) {
    send_edit(r, true, draw(r, 2));
}

static void edit_half_closed(struct rioter *r) {
    send_edit(r, false, true);
}

/* Leaves in mid-upload, or while the edit waits, runs, or is answered. */
static void leave_edit(struct rioter *r) {
    static const enum riot_route routes[] = {RIOT_EDIT, RIOT_JOBS, RIOT_OPENAI};
    struct buffer request = {0};
    int fd = dial(r);
    if (fd < 0) return;
    build_post(&request, routes[draw(r, 3)], &any_edit(r)->form);
    size_t n = draw(r, 2) ? request.size : draw(r, (unsigned)request.size);
    raw_try_send(fd, request.data, n);
    buffer_free(&request);
    unsure(r, 1);
    sleep_ms((int)draw(r, FEW_MS));
    leave(r, fd);
}

static void slow_reader(struct rioter *r) {
    const struct known_edit *edit = any_edit(r);
    struct buffer request = {0}, got = {0};
    struct answer a = {0};
    int fd = dial(r), tiny = 2048;
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
    build_post(&request, RIOT_EDIT, &edit->form);
    raw_try_send(fd, request.data, request.size);
    shutdown(fd, SHUT_WR); /* so that an end comes */
    bool ended =
        drink(r, fd, &got, draw(r, 3) ? PATIENCE_SECONDS * 1000 : (int)draw(r, FEW_MS), true);
    const char *head = answer_in(&got), *body = strstr(head, "\r\n\r\n");
    if (ended && body) {
        a.status = status_of(head);
        body += 4;
        buffer_append(&a.body, body, got.size - (size_t)(body - got.data), NULL);
        count_seen(r, RIOT_EDIT, a.status);
        judge(r, RIOT_EDIT, &a, edit);
    } else {
        unsure(r, 1);
        if (ended) missing(r, "no answer to a slow reader");
    }
    buffer_free(&request);
    buffer_free(&got);
    leave(r, fd);
}

/* ---- jobs ---- */

static void share(struct rioter *r, const char *id, const struct known_edit *edit) {
    struct riot *riot = r->riot;
    pthread_mutex_lock(&riot->lock);
    struct shared_job *job = &riot->jobs[riot->next_job++ % SHARED_JOBS];
    snprintf(job->id, sizeof job->id, "%s", id);
    job->edit = edit;
    pthread_mutex_unlock(&riot->lock);
}

static bool any_job(struct rioter *r, struct shared_job *job) {
    struct riot *riot = r->riot;
    unsigned back = 1 + draw(r, 12);
    pthread_mutex_lock(&riot->lock);
    *job = riot->jobs[(riot->next_job - back) % SHARED_JOBS];
    pthread_mutex_unlock(&riot->lock);
    return *job->id;
}

static void one_of(struct rioter *r, const char *what, const struct answer *a, const int *allowed) {
    if (!a->status || is_refusal(r, a)) return;
    while (*allowed && *allowed != a->status) allowed++;
    if (!*allowed) wrong(r, what, a);
}

static void pester_job(struct rioter *r, const struct shared_job *job) {
    char path[96];
    struct answer a;
    snprintf(path, sizeof path, "/v1/jobs/%s", job->id);
    switch (draw(r, 4)) {
    case 0:
        ask(r, RIOT_JOB, "GET", path, &a);
        one_of(r, "look at a job", &a, (const int[]){200, 404, 0});
        break;
    case 1:
        ask(r, RIOT_JOB, "DELETE", path, &a);
        one_of(r, "delete a job", &a, (const int[]){204, 404, 0});
        break;
    default:
        snprintf(path, sizeof path, "/v1/jobs/%s/result", job->id);
        if (ask(r, RIOT_RESULT, "GET", path, &a) == 200)
            judge_picture(r, &a, job->edit);
        else /* deleted while it was under way: 499 */
            one_of(r, "a job's result", &a, (const int[]){404, 409, 499, 0});
    }
    answer_free(&a);
}

/* To the events' end, or not; slowly, or not.  HTTP/1.0: the stream comes without chunks. */
static void listen_to_job(struct rioter *r, const struct shared_job *job) {
    struct buffer got = {0};
    char request[160];
    int fd = dial(r);
    if (fd < 0) return;
    int n = snprintf(request, sizeof request,
                     "GET /v1/jobs/%s/events HTTP/1.%d\r\nHost: test\r\nConnection: close\r\n\r\n",
                     job->id, draw(r, 2));
    raw_try_send(fd, request, (size_t)n);
    bool to_the_end = draw(r, 3), slowly = draw(r, 4) == 0;
    bool ended =
        drink(r, fd, &got, to_the_end ? PATIENCE_SECONDS * 1000 : (int)draw(r, FEW_MS), slowly);
    const char *head = answer_in(&got);
    int status = status_of(head);
    if (status)
        count_seen(r, RIOT_EVENTS, status);
    else
        unsure(r, 1);
    if (to_the_end && !ended) missing(r, "events that do not end");
    if (ended && status == 200 && !strstr(head, "event: done") && !strstr(head, "event: error"))
        missing(r, "events that end without saying how");
    if (ended && status != 200 && status != 404) missing(r, "no events");
    buffer_free(&got);
    leave(r, fd);
}

static void post_job(struct rioter *r) {
    struct shared_job job = {.edit = any_edit(r)};
    struct buffer request = {0};
    struct answer a;
    int fd = dial(r);
    if (fd < 0) return;
    build_post(&request, RIOT_JOBS, &job.edit->form);
    raw_try_send(fd, request.data, request.size);
    buffer_free(&request);
    if (hear(r, RIOT_JOBS, fd, &a) == 202) {
        snprintf(job.id, sizeof job.id, "%s", answer_string(&a, "id"));
        share(r, job.id, job.edit);
    } else {
        one_of(r, "a job", &a, (const int[]){0});
    }
    answer_free(&a);
    if (!*job.id) return;
    if (draw(r, 2)) listen_to_job(r, &job);
    if (draw(r, 2)) pester_job(r, &job);
}

static void pester(struct rioter *r) {
    struct shared_job job;
    if (any_job(r, &job)) pester_job(r, &job);
}

static void listen_in(struct rioter *r) {
    struct shared_job job;
    if (any_job(r, &job)) listen_to_job(r, &job);
}

/* ---- OpenAI's stream ---- */

static void stream(struct rioter *r) {
    const struct known_edit *edit = any_edit(r);
    struct buffer form = {0}, request = {0}, got = {0};
    int fd = dial(r);
    if (fd < 0) return;
    size_t end = edit->form.size - strlen("--" BOUNDARY "--\r\n");
    buffer_append(&form, edit->form.data, end, NULL);
    struct form more = {form};
    form_field(&more, "stream", "true");
    form_end(&more);
    build_post(&request, RIOT_OPENAI, &more.body);
    form_free(&more);
    raw_try_send(fd, request.data, request.size);
    shutdown(fd, SHUT_WR);
    bool ended =
        drink(r, fd, &got, draw(r, 2) ? PATIENCE_SECONDS * 1000 : (int)draw(r, FEW_MS), draw(r, 2));
    const char *head = answer_in(&got);
    int status = status_of(head);
    if (status)
        count_seen(r, RIOT_OPENAI, status);
    else
        unsure(r, 1);
    if (ended && status == 200 && !strstr(head, "image_edit.completed"))
        missing(r, "a stream without a picture");
    if (ended && status != 200 && !strstr(head, "queue_full"))
        missing(r, "a stream that is refused");
    buffer_free(&request);
    buffer_free(&got);
    leave(r, fd);
}

/* ---- the rest ---- */

/* Several requests at once over a connection. */
static void pipeline(struct rioter *r) {
    enum { MOST = 6 };
    struct buffer request = {0};
    unsigned n = 1 + draw(r, MOST), which[MOST];
    int fd = dial(r);
    if (fd < 0) return;
    for (unsigned i = 0; i < n; i++) {
        which[i] = draw(r, sizeof pages / sizeof *pages);
        build_get(&request, "GET", pages[which[i]]);
    }
    raw_try_send(fd, request.data, request.size);
    buffer_free(&request);
    for (unsigned i = 0; i < n; i++) {
        struct answer a;
        raw_read_answer(fd, &a);
        count_seen(r, RIOT_PAGES + which[i], a.status);
        if (!a.status) missing(r, pages[which[i]]);
        if (a.status && a.status != 200) one_of(r, pages[which[i]], &a, (const int[]){503, 0});
        answer_free(&a);
        sleep_ms((int)draw(r, 3));
    }
    leave(r, fd);
}

/* Any valid request. */
static void build_any(struct rioter *r, struct buffer *out) {
    static const char *const verbs[] = {"GET", "GET", "HEAD", "DELETE", "OPTIONS"};
    struct shared_job job;
    char path[96];
    switch (draw(r, 6)) {
    case 0: build_post(out, RIOT_EDIT, &any_edit(r)->form); break;
    case 1: build_post(out, RIOT_JOBS, &any_edit(r)->form); break;
    case 2: build_post(out, RIOT_OPENAI, &any_edit(r)->form); break;
    case 3:
        snprintf(path, sizeof path, "/v1/jobs/%s%s", any_job(r, &job) ? job.id : "none",
                 (const char *const[]){"", "/events", "/result"}[draw(r, 3)]);
        build_get(out, verbs[draw(r, 5)], path);
        break;
    default:
        for (unsigned n = draw(r, 3) + 1; n > 0; n--)
            build_get(out, verbs[draw(r, 5)], pages[draw(r, sizeof pages / sizeof *pages)]);
    }
}

static long count_versions(const struct buffer *b) {
    long n = 0;
    for (const char *p = b->data, *end = p + b->size;
         (p = memmem(p, (size_t)(end - p), "HTTP/", 5)); p += 5)
        n++;
    return n;
}

/* Nearly a request; whatever comes back looks like HTTP, and no fault of the server. */
static void mutated(struct rioter *r) {
    struct buffer request = {0}, got = {0};
    int status = 0, fd = dial(r);
    if (fd < 0) return;
    build_any(r, &request);
    mutate(&request, &r->dice);
    unsure(r, count_versions(&request) + 1);
    raw_try_send(fd, request.data, request.size);
    if (draw(r, 2)) shutdown(fd, SHUT_WR);
    drink(r, fd, &got, (int)draw(r, 2 * FEW_MS), false);
    struct answer a = {.body = got};
    if (got.size > 20) {
        if (sscanf(got.data, "HTTP/1.1 %d", &status) != 1) wrong(r, "no HTTP", &a);
        if (status == 500) wrong(r, "a fault", &a);
    }
    buffer_free(&request);
    buffer_free(&got);
    leave(r, fd);
}

/* Says nothing, or half a head. */
static void idle(struct rioter *r) {
    int fd = dial(r);
    if (fd < 0) return;
    static const char half[] = "GET /health HTTP/1.1\r\nHos";
    raw_try_send(fd, half, draw(r, sizeof half));
    sleep_ms((int)draw(r, FEW_MS));
    leave(r, fd);
}

void *riot_take_part(void *arg) {
    static void (*const deeds[])(struct rioter *) = {
        edit,     edit,   edit_in_pieces, edit_half_closed, leave_edit, leave_edit,
        post_job, pester, post_job,       pester,           listen_in,  slow_reader,
        stream,   idle,   pipeline,       mutated,          mutated,    mutated};
    struct rioter *r = arg;
    while (!atomic_load(&r->riot->stop)) {
        deeds[draw(r, sizeof deeds / sizeof *deeds)](r);
        atomic_fetch_add(&r->riot->deeds, 1);
    }
    return NULL;
}

/* ---- before and after ---- */

static void make_form(struct buffer *out, int n) {
    struct buffer png = {0};
    struct form f = {0};
    char number[8];
    make_png(&png, 48 + 16 * n, 64);
    form_file(&f, "image", "a.png", png.data, png.size);
    if (n % 3 == 2) form_file(&f, "image", "b.png", png.data, png.size);
    form_field(&f, "prompt", n % 2 ? "make it night" : "tint it blue");
    snprintf(number, sizeof number, "%d", n + 1);
    form_field(&f, "seed", number);
    form_field(&f, "steps", n % 2 ? "1" : "2");
    form_field(&f, "size", n % 4 == 1 ? "96x64" : "64x64");
    form_end(&f);
    buffer_free(&png);
    *out = f.body;
}

static void ask_edit(struct riot *riot, const struct known_edit *edit, struct answer *a) {
    http_request(riot->server, "POST", "/edit",
                 "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n", edit->form.data,
                 edit->form.size, a);
    if (a->status != 200) fail_msg("%d %s", a->status, a->body.data ? a->body.data : "");
    atomic_fetch_add(&riot->seen[RIOT_EDIT][200], 1);
}

void riot_prepare(struct riot *riot, struct server_process *server) {
    riot->server = server;
    pthread_mutex_init(&riot->lock, NULL);
    for (int i = 0; i < KNOWN_EDITS; i++) {
        struct known_edit *edit = &riot->known[i];
        struct answer a;
        make_form(&edit->form, i);
        ask_edit(riot, edit, &a);
        edit->picture = a.body;
        buffer_free(&a.head);
        assert_int_equal(base64_append(&edit->base64, edit->picture.data, edit->picture.size, NULL),
                         STATUS_OK);
    }
}

void riot_check_edits(struct riot *riot) {
    for (int i = 0; i < KNOWN_EDITS; i++) {
        struct answer a;
        ask_edit(riot, &riot->known[i], &a);
        assert_int_equal(a.body.size, riot->known[i].picture.size);
        assert_memory_equal(a.body.data, riot->known[i].picture.data, a.body.size);
        answer_free(&a);
    }
}

void riot_free(struct riot *riot) {
    for (int i = 0; i < KNOWN_EDITS; i++) {
        buffer_free(&riot->known[i].form);
        buffer_free(&riot->known[i].picture);
        buffer_free(&riot->known[i].base64);
    }
    pthread_mutex_destroy(&riot->lock);
}
