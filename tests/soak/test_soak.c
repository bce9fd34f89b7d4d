/*
 * Several clients, good, bad and rude, against the real program for SOAK_SECONDS: what it holds at
 * the end (memory, descriptors, threads) is what it held once it was warm, and what it counted is
 * what the clients saw.
 *
 * The clients work in two rounds, a third of the time to warm up and the rest, so that between them
 * nothing goes on and descriptors and threads can be compared.  Memory is compared under load,
 * where it matters: the medians of the second and of the last third.
 *
 * SOAK_SECONDS: 10, or 60 where CI=true.  SOAK_CLIENTS: 6.  SOAK_SEED: for the clients' choices.
 */
#include "support/unit_test.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "http/harness.h"
#include "soak/holdings.h"

enum {
    MOST_CLIENTS = 32,
    MOST_SAMPLES = 40000,
    SAMPLE_MS = 50,
    /* The service has as many as two edits in hand, whose arenas come and go, and glibc keeps a few
     * free pages for each thread: where a sample falls in that is chance.  Beside a small model
     * that is more than 2%. */
    SLACK_KB = 4096,
    MOST_STATUS = 600,
};

/* What all clients saw of /edit. */
struct tally {
    atomic_long seen[MOST_STATUS]; /* answers, by status */
    atomic_long left;              /* requests whose answer, if there was one, nobody waited for */
    atomic_long other;             /* answers of other routes */
    atomic_long wrong;             /* what was not as promised; the first few are printed */
    atomic_bool stop;
};

struct soaker {
    struct server_process *server;
    struct tally *tally;
    CURL *curl; /* kept, and its connection with it */
    unsigned random;
    pthread_t thread;
    struct buffer answer;
};

static struct buffer picture; /* a good one, made once */

static unsigned draw(struct soaker *c, unsigned below) {
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 8) % below;
}

static void wrong(struct soaker *c, const char *what, int status) {
    if (atomic_fetch_add(&c->tally->wrong, 1) < 10)
        print_error("%s: %d %.*s\n", what, status,
                    (int)(c->answer.size < 300 ? c->answer.size : 300),
                    c->answer.data ? c->answer.data : "");
}

/* ---- requests ---- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg) {
    struct soaker *c = arg;
    buffer_append(&c->answer, bytes, size * count, NULL);
    return size * count;
}

/* The status; 0 when there was no answer. */
static int perform(struct soaker *c, const char *method, const char *path,
                   const struct form *form) {
    char url[128];
    long status = 0;
    struct curl_slist *headers = NULL;
    c->answer.size = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", c->server->port, path);
    curl_easy_reset(c->curl); /* the connection stays */
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)HANG_SECONDS);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    if (form) {
        headers =
            curl_slist_append(headers, "Content-Type: multipart/form-data; boundary=" BOUNDARY);
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)form->body.size);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, form->body.data);
    }
    CURLcode e = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (e != CURLE_OK && !status) print_error("%s %s: %s\n", method, path, curl_easy_strerror(e));
    return status < 0 || status >= MOST_STATUS ? 0 : (int)status;
}

/* Sends the form and frees it; the answer must have this status and, for an error, this code.  An
 * edit that finds the queue full was refused as promised, too. */
static void expect(struct soaker *c, const char *what, struct form *f, int status,
                   const char *code) {
    int got = perform(c, "POST", "/edit", f);
    form_free(f);
    buffer_append(&c->answer, "", 1, NULL);
    atomic_fetch_add(&c->tally->seen[got], 1);
    if (got == 503 && strstr(c->answer.data, "\"queue_full\"")) return;
    if (got != status || (code && !strstr(c->answer.data, code))) wrong(c, what, got);
}

static void start_form(struct form *f, const void *bytes, size_t size, const char *steps,
                       const char *side) {
    *f = (struct form){0};
    form_file(f, "image", "a.png", bytes, size);
    form_field(f, "prompt", "make it night");
    form_field(f, "steps", steps);
    form_field(f, "width", side);
    form_field(f, "height", side);
}

/* ---- what clients do ---- */

static void good_edit(struct soaker *c) {
    static const char *const formats[] = {"png", "jpeg", "webp"}, *const sides[] = {"64", "96",
                                                                                    "128"};
    struct form f;
    start_form(&f, picture.data, picture.size, "2", sides[draw(c, 3)]);
    form_field(&f, "output_format", formats[draw(c, 3)]);
    if (draw(c, 2)) form_file(&f, "image", "b.png", picture.data, picture.size);
    form_end(&f);
    expect(c, "good edit", &f, 200, NULL);
}

static void wrong_file(struct soaker *c) {
    struct form f;
    start_form(&f, "this is not a picture", 21, "2", "64");
    form_end(&f);
    expect(c, "wrong file", &f, 400, "\"invalid_file\"");
}

static void truncated_picture(struct soaker *c) {
    struct form f;
    start_form(&f, picture.data, picture.size / 2 + draw(c, 100), "2", "64");
    form_end(&f);
    expect(c, "truncated picture", &f, 400, "\"invalid_image\"");
}

static void bad_number(struct soaker *c) {
    static const char *const numbers[] = {"12abc", "1e999", "nan", "0", "99999999999999999999"};
    struct form f;
    start_form(&f, picture.data, picture.size, numbers[draw(c, 5)], "64");
    form_end(&f);
    expect(c, "bad number", &f, 400, "\"invalid_request\"");
}

static void huge_body(struct soaker *c) {
    size_t size = (size_t)2 << 20;
    char *bytes = calloc(1, size);
    struct form f;
    start_form(&f, bytes, size, "2", "64");
    form_end(&f);
    free(bytes);
    expect(c, "huge body", &f, 413, "\"payload_too_large\"");
}

static void leave(struct soaker *c, const struct form *f, size_t sent, int wait_ms) {
    int fd = raw_connect(c->server);
    char head[256];
    int n = snprintf(
        head, sizeof head,
        "POST /edit HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=" BOUNDARY
        "\r\nContent-Length: %zu\r\n\r\n",
        f->body.size);
    if (fd < 0) {
        wrong(c, "cannot connect", 0);
        return;
    }
    /* A full queue may refuse it on the way. */
    if (raw_try_send(fd, head, (size_t)n)) raw_try_send(fd, f->body.data, sent);
    sleep_ms(wait_ms);
    close(fd);
    atomic_fetch_add(&c->tally->left, 1);
}

static void leave_upload(struct soaker *c) {
    struct form f;
    start_form(&f, picture.data, picture.size, "2", "64");
    form_end(&f);
    leave(c, &f, draw(c, (unsigned)f.body.size), (int)draw(c, 20));
    form_free(&f);
}

static void leave_edit(struct soaker *c) {
    struct form f;
    start_form(&f, picture.data, picture.size, "60", "128");
    form_end(&f);
    leave(c, &f, f.body.size, (int)draw(c, 150));
    form_free(&f);
}

static void look_around(struct soaker *c) {
    static const struct {
        const char *method, *path;
        int status;
    } visits[] = {{"GET", "/health", 200},  {"GET", "/ready", 200},        {"GET", "/info", 200},
                  {"GET", "/metrics", 200}, {"GET", "/openapi.json", 200}, {"GET", "/docs", 200},
                  {"GET", "/no", 404},      {"DELETE", "/info", 405}};
    unsigned i = draw(c, sizeof visits / sizeof *visits);
    int status = perform(c, visits[i].method, visits[i].path, NULL);
    atomic_fetch_add(&c->tally->other, 1);
    if (status != visits[i].status) wrong(c, visits[i].path, status);
}

static void *soak(void *arg) {
    static void (*const deeds[])(struct soaker *) = {
        good_edit,  good_edit, good_edit,    wrong_file, truncated_picture,
        bad_number, huge_body, leave_upload, leave_edit, look_around};
    struct soaker *c = arg;
    while (!atomic_load(&c->tally->stop)) deeds[draw(c, sizeof deeds / sizeof *deeds)](c);
    return NULL;
}

/* ---- the run ---- */

/* All clients at work for so long; fills samples of the resident memory, tells how many. */
static size_t work(struct soaker *clients, int count, int64_t ms, long *samples) {
    struct tally *t = clients[0].tally;
    int64_t until = now_ms() + ms;
    size_t n = 0;
    atomic_store(&t->stop, false);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, soak, &clients[i]), 0);
    while (now_ms() < until) {
        if (n < MOST_SAMPLES) samples[n++] = resident_kb(clients[0].server->pid);
        sleep_ms(SAMPLE_MS);
    }
    atomic_store(&t->stop, true);
    for (int i = 0; i < count; i++) pthread_join(clients[i].thread, NULL);
    return n;
}

/* Every answer that a client saw was counted once, and nothing was counted that nobody asked for.
 */
static void check_counters(struct server_process *s, struct tally *t) {
    long unseen = 0, ended = 0;
    char name[96];
    for (int status = 1; status < MOST_STATUS; status++) {
        long seen = atomic_load(&t->seen[status]);
        snprintf(name, sizeof name, "firered_http_requests_total{route=\"/edit\",status=\"%d\"}",
                 status);
        long counted = (long)server_metric(s, name);
        if (seen || counted)
            print_message("status %d: %ld seen, %ld counted\n", status, seen, counted);
        assert_true(counted >= seen);
        unseen += counted - seen;
    }
    print_message("%ld left before their answer, %ld of them were answered all the same\n",
                  atomic_load(&t->left), unseen);
    assert_true(unseen <= atomic_load(&t->left));
    static const char *const ends[] = {
        "ok",      "invalid_file", "invalid_image", "invalid_request", "gpu_oom",
        "timeout", "cancelled",    "shutting_down", "inference_error"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "firered_edits_total{outcome=\"%s\"}", ends[i]);
        long n = (long)server_metric(s, name);
        if (n) print_message("edits %s: %ld\n", ends[i], n);
        ended += n;
    }
    /* Each edit that ended well was answered with 200, unless its client had just left. */
    long ok = (long)server_metric(s, "firered_edits_total{outcome=\"ok\"}");
    assert_true(ok >= atomic_load(&t->seen[200]) &&
                ok <= atomic_load(&t->seen[200]) + atomic_load(&t->left));
    assert_true(ended >= ok);
    assert_true(server_metric(s, "firered_upload_bytes") == 0);
}

static void test_soak(void **state) {
    (void)state;
    static long samples[MOST_SAMPLES];
    static struct tally tally;
    struct soaker clients[MOST_CLIENTS] = {0};
    struct server_process s;
    const char *ci = getenv("CI");
    int64_t ms = setting("SOAK_SECONDS", ci && strcmp(ci, "true") == 0 ? 60 : 10) * 1000L;
    int count = setting("SOAK_CLIENTS", 6), seed = setting("SOAK_SEED", 1);
    assert_true(ms > 0 && count > 0 && count <= MOST_CLIENTS);
    make_png(&picture, 120, 80);
    server_start_ready(&s, (const char *[]){"MODEL_ID=" TEST_DATA "/tiny-edit/model",
                                            "MAX_CONCURRENT_JOBS=2", "MAX_QUEUE=4",
                                            "MAX_UPLOAD_MB=1", "LOG_LEVEL=info", NULL});
    for (int i = 0; i < count; i++)
        clients[i] = (struct soaker){.server = &s,
                                     .tally = &tally,
                                     .curl = curl_easy_init(),
                                     .random = (unsigned)(seed * 1000 + i)};

    work(clients, count, ms / 3, samples);
    /* The clients' kept connections are part of what is held; they are closed for the count, then
     * and at the end. */
    for (int i = 0; i < count; i++) curl_easy_cleanup(clients[i].curl);
    struct holdings warm = count_idle(&s);
    for (int i = 0; i < count; i++) clients[i].curl = curl_easy_init();
    size_t n = work(clients, count, ms - ms / 3, samples);
    for (int i = 0; i < count; i++) curl_easy_cleanup(clients[i].curl);
    struct holdings end = count_idle(&s);

    long second = median(samples, n / 2), last = median(samples + n / 2, n - n / 2);
    print_message(
        "resident memory: %ld kB in the second third, %ld kB in the last; idle at the end %ld kB\n",
        second, last, resident_kb(s.pid));
    print_message("descriptors: %d when warm, %d at the end; threads: %d, %d\n", warm.descriptors,
                  end.descriptors, warm.threads, end.threads);
    check_counters(&s, &tally);
    assert_int_equal(atomic_load(&tally.wrong), 0);
    assert_true(atomic_load(&tally.seen[200]) > 0);
    assert_true(labs(last - second) <= second / 50 + SLACK_KB);
    assert_int_equal(end.descriptors, warm.descriptors);
    assert_int_equal(end.threads, warm.threads);
    struct answer a;
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
    for (int i = 0; i < count; i++) buffer_free(&clients[i].answer);
    buffer_free(&picture);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_soak)};
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    curl_global_init(CURL_GLOBAL_ALL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
