/*
 * CHAOS_CLIENTS threads (24) against the real program for CHAOS_SECONDS (6): aborts, resets,
 * listeners to event streams, mutated requests, half-closed sockets, slow readers, cancelled and
 * deleted jobs, and between them valid edits whose pictures are known.  Behind it the server makes
 * the same pictures as before, its counters add up, and it holds no more than when it was warm;
 * SIGTERM in mid-riot ends it.
 *
 * As in the soak the clients work in two rounds, a third of the time and the rest.  Memory is
 * compared where no sanitizer keeps what was freed; leaks are the address sanitizer's own.
 *
 * CHAOS_SEED: for the clients' choices.
 */
#include "support/unit_test.h"

#include <signal.h>
#include <unistd.h>

#include "soak/holdings.h"
#include "soak/riot.h"

enum {
    MOST_CLIENTS = 64,
    MOST_SAMPLES = 100000,
    SAMPLE_MS = 50,
    SLACK_KB = 8192, /* results of jobs, uploads and listeners come and go beside the edits */
};

static struct riot riot;
static struct rioter clients[MOST_CLIENTS];
static int client_count;

static void start_clients(void) {
    atomic_store(&riot.stop, false);
    for (int i = 0; i < client_count; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, riot_take_part, &clients[i]), 0);
}

static void join_clients(void) {
    atomic_store(&riot.stop, true);
    for (int i = 0; i < client_count; i++) pthread_join(clients[i].thread, NULL);
}

/* Fills samples of the resident memory, tells how many. */
static size_t work(int64_t ms, long *samples) {
    int64_t until = now_ms() + ms;
    size_t n = 0;
    start_clients();
    while (now_ms() < until) {
        if (n < MOST_SAMPLES) samples[n++] = resident_kb(riot.server->pid);
        sleep_ms(SAMPLE_MS);
    }
    join_clients();
    return n;
}

static long seen_of(const char *route, int status) {
    for (enum riot_route i = 0; i < RIOT_ROUTES; i++)
        if (strcmp(riot_route_name(i), route) == 0) return atomic_load(&riot.seen[i][status]);
    return 0;
}

static long seen_in_all(void) {
    long n = 0;
    for (int i = 0; i < RIOT_ROUTES; i++)
        for (int status = 0; status < MOST_STATUS; status++)
            n += atomic_load(&riot.seen[i][status]);
    return n;
}

/* Line by line: a sanitizer looks at all that a search could read, each time. */
static long count_logged(struct server_process *s) {
    static const char word[] = " request request_id=";
    long n = 0;
    pthread_mutex_lock(&s->lock);
    const char *line = s->log.data, *end = line + s->log.size, *lf;
    for (; (lf = memchr(line, '\n', (size_t)(end - line))); line = lf + 1)
        n += memmem(line, (size_t)(lf - line), word, sizeof word - 1) != NULL;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Of what /metrics counts. */
struct counted {
    long requests, timed, found, unseen, edits, faults;
};

static void count_line(struct counted *c, const char *line) {
    char name[64];
    int status;
    long n;
    if (sscanf(line, "firered_http_requests_total{route=\"%63[^\"]\",status=\"%d\"} %ld", name,
               &status, &n) == 3) {
        long seen = seen_of(name, status);
        if (n < seen) fail_msg("%s %d: %ld seen, %ld counted", name, status, seen, n);
        c->requests += n;
        c->found += seen;
        if (strcmp(name, "/metrics") != 0) c->unseen += n - seen;
    } else if (sscanf(line, "firered_http_request_seconds_count{route=\"%*[^\"]\"} %ld", &n) == 1) {
        c->timed += n;
    } else if (sscanf(line, "firered_edits_total{outcome=\"%63[^\"]\"} %ld", name, &n) == 2) {
        print_message("edits %s: %ld\n", name, n);
        c->edits += n;
        if (strcmp(name, "inference_error") == 0) c->faults += n;
    }
}

/* Each answer that was seen was counted, timed and logged once, and no more were than may have been
 * given to those who left. */
static void check_counters(struct server_process *s) {
    struct counted c = {0};
    struct answer a;
    http_get(s, "/metrics", &a);
    assert_int_equal(a.status, 200);
    for (const char *line = a.body.data; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        count_line(&c, line);
    }
    answer_free(&a);
    long lost = (long)server_metric(s, "firered_log_lines_lost_total"), logged = 0;
    long to_log = c.requests + 1; /* the page itself */
    for (int i = 0; i < 100 && (logged = count_logged(s)) < to_log; i++) sleep_ms(20);
    print_message("%ld answers counted, %ld logged (%ld lines lost), %ld seen; %ld not seen of %ld "
                  "that may have been\n",
                  c.requests, logged, lost, c.found, c.unseen, atomic_load(&riot.unsure));
    assert_int_equal(c.timed, c.requests);
    assert_int_equal(c.found, seen_in_all());
    assert_true(c.unseen <= atomic_load(&riot.unsure));
    assert_true(logged + lost >= to_log);
    assert_int_equal(c.faults, 0);
    long accepted = seen_of("/edit", 200) + seen_of("/v1/images/edits", 200);
    assert_true(c.edits >= accepted + seen_of("/v1/jobs", 202));
}

/* Nothing is left of what has ended. */
static void check_empty(struct server_process *s) {
    server_wait_metric(s, "firered_jobs_kept", 0);
    assert_true(server_metric(s, "firered_result_bytes") == 0);
    assert_true(server_metric(s, "firered_upload_bytes") == 0);
    assert_true(server_metric(s, "firered_event_streams") == 0);
}

static void prepare(struct server_process *s) {
    int seed = setting("CHAOS_SEED", 1);
    client_count = setting("CHAOS_CLIENTS", 24);
    assert_true(client_count > 0 && client_count <= MOST_CLIENTS);
    server_start_ready(s, (const char *[]){"MODEL_ID=" TEST_DATA "/tiny-edit/model",
                                           "MAX_CONCURRENT_JOBS=2", "MAX_QUEUE=8", "MAX_STEPS=4",
                                           "MAX_UPLOAD_MB=1", "RESULT_TTL_SECONDS=2",
                                           "LOG_LEVEL=info", NULL});
    riot_prepare(&riot, s);
    for (int i = 0; i < client_count; i++)
        clients[i] = (struct rioter){
            .riot = &riot, .dice.state = (uint64_t)(unsigned)seed * 1000003 + (uint64_t)i + 1};
}

/* While all of them go on. */
static void stop_in_mid_riot(struct server_process *s) {
    start_clients();
    sleep_ms(500);
    atomic_store(&riot.ending, true);
    int status = server_stop(s, SIGTERM);
    join_clients();
    assert_int_equal(status, 0);
}

static void test_chaos(void **state) {
    (void)state;
    static long samples[MOST_SAMPLES];
    struct server_process s;
    int64_t ms = setting("CHAOS_SECONDS", 6) * 1000L;
    assert_true(ms > 0);
    prepare(&s);
    work(ms / 3, samples);
    struct holdings warm = count_idle(&s);
    size_t n = work(ms - ms / 3, samples);
    struct holdings end = count_idle(&s);

    long second = median(samples, n / 2), last = median(samples + n / 2, n - n / 2);
    print_message("%ld deeds, %ld right pictures, %ld things wrong\n", atomic_load(&riot.deeds),
                  atomic_load(&riot.right), atomic_load(&riot.wrong));
    print_message("resident memory: %ld kB in the second third, %ld kB in the last\n", second,
                  last);
    print_message("descriptors: %d when warm, %d at the end; threads: %d, %d\n", warm.descriptors,
                  end.descriptors, warm.threads, end.threads);
    assert_int_equal(atomic_load(&riot.wrong), 0);
    assert_true(atomic_load(&riot.right) > 0);
    assert_int_equal(end.descriptors, warm.descriptors);
    assert_int_equal(end.threads, warm.threads);
    if (!SANITIZED) assert_true(last - second <= second / 50 + SLACK_KB);
    check_empty(&s);
    riot_check_edits(&riot);
    check_counters(&s);
    stop_in_mid_riot(&s);
    assert_int_equal(atomic_load(&riot.wrong), 0);
    riot_free(&riot);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chaos)};
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
