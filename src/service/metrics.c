/*
 * A handful of tables under one mutex: a request adds to a few counters once, so nobody ever waits for
 * it noticeably, and a page that is written sees sums and counts that belong together.
 */
#include "service/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BUCKETS = 20, MAX_REQUEST_KINDS = 128, MAX_OUTCOMES = 24 };

struct histogram {
    const double *bounds;
    int bound_count;
    uint64_t counts[MAX_BUCKETS + 1]; /* the last one: beyond every bound */
    double sum;
};

struct metrics {
    pthread_mutex_t lock;
    struct {
        const char *route;
        int status;
        uint64_t count;
    } requests[MAX_REQUEST_KINDS];
    int request_kinds;
    struct {
        const char *outcome;
        uint64_t count;
    } edits[MAX_OUTCOMES];
    int outcomes;
    struct histogram request_seconds, edit_request_seconds, queue_wait, step, stage[METRICS_STAGES];
    double started; /* wall clock, seconds */
};

static const double short_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                      0.25,  0.5,    1,     2.5,  5,     10};
static const double long_bounds[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5, 5,
                                     10,   20,    30,   45,  60,   90,  120, 300, 600};

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

static const char *stage_name(int stage) {
    return stage == METRICS_READ ? "read"
           : stage == METRICS_WRITE
               ? "write"
               : firered_stage_name(FIRERED_STAGE_ENCODE +
                                    (enum firered_stage)(stage - METRICS_ENCODE));
}

static struct histogram histogram_of(const double *bounds, int count) {
    return (struct histogram){.bounds = bounds, .bound_count = count};
}

struct metrics *metrics_create(void) {
    struct metrics *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    pthread_mutex_init(&m->lock, NULL);
    m->request_seconds = histogram_of(short_bounds, COUNT(short_bounds));
    m->edit_request_seconds = histogram_of(long_bounds, COUNT(long_bounds));
    m->queue_wait = histogram_of(long_bounds, COUNT(long_bounds));
    m->step = histogram_of(long_bounds, COUNT(long_bounds));
    for (int i = 0; i < METRICS_STAGES; i++)
        m->stage[i] = histogram_of(long_bounds, COUNT(long_bounds));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    m->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    return m;
}

void metrics_destroy(struct metrics *m) {
    if (!m) return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static void observe(struct histogram *h, double seconds) {
    int i = 0;
    while (i < h->bound_count && seconds > h->bounds[i]) i++;
    h->counts[i]++;
    h->sum += seconds;
}

static void observe_locked(struct metrics *m, struct histogram *h, double seconds) {
    pthread_mutex_lock(&m->lock);
    observe(h, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_request(struct metrics *m, const char *route, int status, double seconds) {
    if (!m) return;
    pthread_mutex_lock(&m->lock);
    int i = 0;
    while (i < m->request_kinds &&
           (m->requests[i].status != status || strcmp(m->requests[i].route, route) != 0))
        i++;
    if (i < MAX_REQUEST_KINDS) {
        if (i == m->request_kinds) m->request_kinds++;
        m->requests[i].route = route;
        m->requests[i].status = status;
        m->requests[i].count++;
    }
    observe(strcmp(route, "/edit") == 0 ? &m->edit_request_seconds : &m->request_seconds, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_edit(struct metrics *m, const char *outcome) {
    if (!m) return;
    pthread_mutex_lock(&m->lock);
    int i = 0;
    while (i < m->outcomes && strcmp(m->edits[i].outcome, outcome) != 0) i++;
    if (i < MAX_OUTCOMES) {
        if (i == m->outcomes) m->outcomes++;
        m->edits[i].outcome = outcome;
        m->edits[i].count++;
    }
    pthread_mutex_unlock(&m->lock);
}

void metrics_queue_wait(struct metrics *m, double seconds) {
    if (m) observe_locked(m, &m->queue_wait, seconds);
}

void metrics_step(struct metrics *m, double seconds) {
    if (m) observe_locked(m, &m->step, seconds);
}

void metrics_time(struct metrics *m, enum metrics_stage stage, double seconds) {
    if (m) observe_locked(m, &m->stage[stage], seconds);
}

static double mean(const struct histogram *h) {
    uint64_t count = 0;
    for (int i = 0; i <= h->bound_count; i++) count += h->counts[i];
    return count ? h->sum / (double)count : 0;
}

double metrics_end_in_steps(struct metrics *m) {
    if (!m) return 0;
    pthread_mutex_lock(&m->lock);
    double step = mean(&m->step),
           end = mean(&m->stage[METRICS_DECODE]) + mean(&m->stage[METRICS_WRITE]);
    pthread_mutex_unlock(&m->lock);
    return step > 0 ? end / step : 0;
}

static void write_head(struct buffer *out, const char *name, const char *type, const char *help) {
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `labels` is "" or a list such as stage="encode". */
static void write_histogram(struct buffer *out, const char *name, const char *labels,
                            const struct histogram *h) {
    const char *comma = *labels ? "," : "";
    uint64_t total = 0;
    for (int i = 0; i <= h->bound_count; i++) {
        char bound[32] = "+Inf";
        if (i < h->bound_count) snprintf(bound, sizeof bound, "%g", h->bounds[i]);
        total += h->counts[i];
        buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma, bound,
                      (unsigned long long)total);
    }
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    buffer_printf(out, "%s_sum%s%s%s %.9g\n", name, open, labels, close, h->sum);
    buffer_printf(out, "%s_count%s%s%s %llu\n", name, open, labels, close,
                  (unsigned long long)total);
}

static void write_gauge(struct buffer *out, const char *name, double value, const char *help) {
    write_head(out, name, "gauge", help);
    buffer_printf(out, "%s %.17g\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void write_label(struct buffer *out, const char *name, const char *value) {
    buffer_printf(out, "%s=\"", name);
    for (const char *p = value ? value : ""; *p; p++) {
        if (*p == '\n')
            buffer_append(out, "\\n", 2, NULL);
        else if (*p == '"' || *p == '\\')
            buffer_printf(out, "\\%c", *p);
        else
            buffer_append(out, p, 1, NULL);
    }
    buffer_append(out, "\"", 1, NULL);
}

/* The second number of statm, in pages. */
static double resident_bytes(void) {
    char line[256] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && !fgets(line, sizeof line, f)) line[0] = '\0';
    if (f) fclose(f);
    char *second = strchr(line, ' ');
    return second ? (double)strtoll(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE) : 0;
}

static int open_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return 0;
    int n = -3; /* ".", ".." and the folder's own */
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

static void write_counts(struct metrics *m, struct buffer *out) {
    write_head(
        out, "firered_http_requests_total", "counter",
        "Requests answered, by route and status; 499 is a client that left before the answer.");
    for (int i = 0; i < m->request_kinds; i++)
        buffer_printf(out, "firered_http_requests_total{route=\"%s\",status=\"%d\"} %llu\n",
                      m->requests[i].route, m->requests[i].status,
                      (unsigned long long)m->requests[i].count);
    write_head(out, "firered_edits_total", "counter",
               "Edits that were queued and ended, by outcome.");
    for (int i = 0; i < m->outcomes; i++)
        buffer_printf(out, "firered_edits_total{outcome=\"%s\"} %llu\n", m->edits[i].outcome,
                      (unsigned long long)m->edits[i].count);

    write_head(out, "firered_http_request_seconds", "histogram",
               "From a request's arrival to its answer.");
    write_histogram(out, "firered_http_request_seconds", "route=\"/edit\"",
                    &m->edit_request_seconds);
    write_histogram(out, "firered_http_request_seconds", "route=\"other\"", &m->request_seconds);
    write_head(out, "firered_queue_wait_seconds", "histogram",
               "How long an edit waited for a worker.");
    write_histogram(out, "firered_queue_wait_seconds", "", &m->queue_wait);
    write_head(out, "firered_step_seconds", "histogram", "One denoising step.");
    write_histogram(out, "firered_step_seconds", "", &m->step);
    write_head(out, "firered_stage_seconds", "histogram",
               "The stages of an edit: read (files to pixels), encode, denoise, decode, write.");
    for (int i = 0; i < METRICS_STAGES; i++) {
        char label[32];
        snprintf(label, sizeof label, "stage=\"%s\"", stage_name(i));
        write_histogram(out, "firered_stage_seconds", label, &m->stage[i]);
    }
}

static void write_model(const struct metrics_now *now, struct buffer *out) {
    const struct firered_info *info = now->info;
    if (!info) return;
    write_head(out, "firered_model_info", "gauge", "The model that is served; always 1.");
    buffer_append(out, "firered_model_info{", 19, NULL);
    write_label(out, "model", now->model);
    const char *const pairs[][2] = {{"device", info->device},
                                    {"dtype", info->dtype},
                                    {"kernels", info->kernels},
                                    {"version", FIRERED_VERSION}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        buffer_append(out, ",", 1, NULL);
        write_label(out, pairs[i][0], pairs[i][1]);
    }
    buffer_append(out, "} 1\n", 4, NULL);
    write_gauge(out, "firered_model_parameters", (double)info->parameters,
                "Numbers in the model's weights.");
    write_head(out, "firered_model_weight_bytes", "gauge",
               "Memory that the weights take, by where it is.");
    buffer_append(out, "firered_model_weight_bytes{", 27, NULL);
    write_label(out, "device", info->device);
    buffer_printf(out, "} %llu\n", (unsigned long long)info->weight_bytes);
}

enum status metrics_write(struct metrics *m, const struct metrics_now *now, struct buffer *out,
                          struct error *err) {
    pthread_mutex_lock(&m->lock);
    write_counts(m, out);
    pthread_mutex_unlock(&m->lock);
    write_gauge(out, "firered_ready", now->ready, "1 once the model is loaded and warm.");
    write_gauge(out, "firered_loading_share", now->loading_share,
                "How much of the model is loaded, 0 to 1.");
    write_gauge(out, "firered_queue_depth", now->queue_depth, "Edits that wait.");
    write_gauge(out, "firered_queue_limit", now->queue_limit, "MAX_QUEUE.");
    write_gauge(out, "firered_edits_running", now->edits_running, "Edits that run.");
    write_gauge(out, "firered_edits_limit", now->edits_limit, "MAX_CONCURRENT_JOBS.");
    write_gauge(out, "firered_http_connections", now->connections, "Open connections.");
    write_gauge(out, "firered_event_streams", now->event_streams, "Listeners to jobs' events.");
    write_gauge(out, "firered_jobs_kept", now->jobs_kept,
                "Jobs of /v1/jobs that are known: under way, or ended and kept.");
    write_gauge(out, "firered_result_bytes", (double)now->result_bytes,
                "Edited pictures that are kept to be fetched.");
    write_gauge(out, "firered_result_bytes_limit", (double)now->result_bytes_limit,
                "RESULT_MAX_MB, in bytes.");
    write_gauge(out, "firered_upload_bytes", (double)now->upload_bytes,
                "Uploaded bytes held for requests that are read, wait or run.");
    write_model(now, out);
    write_head(out, "firered_log_lines_lost_total", "counter",
               "Log lines that nobody took, and that were not waited for.");
    buffer_printf(out, "firered_log_lines_lost_total %llu\n",
                  (unsigned long long)now->log_lines_lost);
    write_gauge(out, "process_resident_memory_bytes", resident_bytes(),
                "Memory in use on the host.");
    write_gauge(out, "process_open_fds", open_descriptors(), "Open file descriptors.");
    write_gauge(out, "process_start_time_seconds", m->started,
                "When the process started, Unix time.");
    /* The appends above are not checked one by one: a page without its last line is the sign of a
     * failed one. */
    static const char end[] = "process_start_time_seconds";
    if (!out->data || !strstr(out->data, end))
        return fail(err, STATUS_NO_MEMORY, "no memory for the metrics page");
    return STATUS_OK;
}
