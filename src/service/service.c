/*
 * The state is one atomic: it is set to READY after everything that a reader may then look at is in
 * place, and never back, so that no reader needs a lock.
 */
#include "service/service.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/job_store.h"
#include "service/jobs.h"

struct service {
    const struct config *config;
    const char *model, *model_name;
    const struct log *log;
    struct metrics *metrics;
    struct jobs *jobs;
    struct job_store *store;
    struct firered *engine;
    struct firered_info info;
    atomic_int state;
    atomic_bool loaded;
    atomic_int loaded_permille;
    atomic_uint_fast64_t held_bytes;
    uint64_t most_held_bytes;
};

enum status service_create(struct service **out, const struct config *config, const char *model,
                           const char *model_name, const struct log *log, struct error *err) {
    *out = NULL;
    struct service *s = calloc(1, sizeof *s);
    if (!s) return fail(err, STATUS_NO_MEMORY, "no memory for the service");
    s->config = config;
    s->model = model;
    s->model_name = model_name;
    s->log = log;
    s->most_held_bytes = ((uint64_t)config->max_queue + (uint64_t)config->max_concurrent_jobs) *
                             (uint64_t)config->max_upload_mb
                         << 20;
    atomic_store(&s->state, SERVICE_LOADING);
    s->metrics = metrics_create();
    enum status e =
        s->metrics ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for the metrics");
    if (e == STATUS_OK)
        e = jobs_create(&s->jobs, config->max_concurrent_jobs, config->max_queue, err);
    if (e == STATUS_OK)
        e = job_store_create(&s->store, s, config->result_ttl_seconds,
                             (uint64_t)config->result_max_mb << 20, err);
    if (e != STATUS_OK) {
        service_destroy(s);
        return e;
    }
    jobs_on_move(s->jobs, job_store_moved, s->store);
    *out = s;
    return STATUS_OK;
}

static void on_loading(void *arg, double share) {
    struct service *s = arg;
    int permille = share < 0 ? 0 : share > 1 ? 1000 : (int)(share * 1000);
    int before = atomic_exchange(&s->loaded_permille, permille);
    if (permille / 100 != before / 100)
        log_event(s->log, LOG_INFO, "loading", LOG_STR("model", s->model_name),
                  LOG_INT("percent", permille / 10));
}

/* One step on a small gray picture: packs, plans and page faults happen now. */
static enum status warm_up(struct service *s, struct error *err) {
    enum { SIDE = 64 };
    uint8_t *gray = malloc(SIDE * SIDE * 3);
    if (!gray) return fail(err, STATUS_NO_MEMORY, "no memory for the warm-up picture");
    memset(gray, 128, SIDE * SIDE * 3);
    struct picture picture = {SIDE, SIDE, gray};
    struct firered_edit edit = {.pictures = &picture, .picture_count = 1, .prompt = "warm up"};
    firered_edit_defaults(s->engine, &edit);
    edit.steps = 1;
    edit.width = edit.height = SIDE;
    struct firered_result result = {0};
    enum status e = firered_edit_run(s->engine, &edit, &result, err);
    picture_free(&result.picture);
    free(gray);
    return e;
}

enum status service_load(struct service *s, struct error *err) {
    int64_t from = clock_now();
    const struct config *c = s->config;
    struct firered_options options = {
        .model = s->model,
        .device = c->device,
        .dtype = c->dtype,
        .generator = c->seed_generator,
        .threads = c->threads,
        .memory_limit = c->memory_limit,
        .edits = c->max_concurrent_jobs,
        .loras = c->loras,
        .lora_count = c->lora_count,
        .log = s->log,
        .loading = on_loading,
        .loading_arg = s,
    };
    log_event(s->log, LOG_INFO, "loading", LOG_STR("model", s->model_name), LOG_INT("percent", 0));
    enum status e = firered_open(&s->engine, &options, err);
    if (e != STATUS_OK) return e;
    firered_describe(s->engine, &s->info);
    atomic_store(&s->loaded, true);
    atomic_store(&s->loaded_permille, 1000);
    int64_t opened = clock_now();

    e = warm_up(s, err);
    if (e == STATUS_NO_MEMORY) {
        log_event(s->log, LOG_WARN, "warm-up skipped", LOG_STR("why", err->text));
        e = STATUS_OK;
    }
    if (e != STATUS_OK) return e;
    int loading = SERVICE_LOADING;
    atomic_compare_exchange_strong(&s->state, &loading, SERVICE_READY);
    log_event(s->log, LOG_INFO, "ready", LOG_STR("model", s->model_name),
              LOG_STR("device", s->info.device), LOG_STR("dtype", s->info.dtype),
              LOG_STR("kernels", s->info.kernels), LOG_INT("threads", s->info.threads),
              LOG_INT("parameters", s->info.parameters),
              LOG_INT("weight_bytes", s->info.weight_bytes),
              LOG_REAL("load_seconds", clock_seconds(from, opened)),
              LOG_REAL("warm_up_seconds", clock_seconds(opened, clock_now())));
    return STATUS_OK;
}

enum service_state service_state(const struct service *s) {
    return (enum service_state)atomic_load(&s->state);
}

double service_loading_share(const struct service *s) {
    return atomic_load(&s->loaded_permille) / 1000.0;
}

const struct firered_info *service_info(const struct service *s) {
    return atomic_load(&s->loaded) ? &s->info : NULL;
}

const char *service_model_name(const struct service *s) {
    return s->model_name;
}

const struct config *service_config(const struct service *s) {
    return s->config;
}

const struct log *service_log(const struct service *s) {
    return s->log;
}

struct metrics *service_metrics(struct service *s) {
    return s->metrics;
}

struct job_store *service_jobs(struct service *s) {
    return s->store;
}

struct firered *service_engine(struct service *s) {
    return s->engine;
}

void service_defaults(const struct service *s, int *steps, double *guidance_scale,
                      bool *fixed_guidance) {
    struct firered_edit edit = {0};
    firered_edit_defaults(s->engine, &edit);
    *steps = s->config->default_steps ? s->config->default_steps : edit.steps;
    *guidance_scale =
        s->config->default_guidance >= 0 ? s->config->default_guidance : edit.guidance_scale;
    *fixed_guidance = s->info.distilled;
    if (s->info.distilled) *guidance_scale = 1.0;
}

static enum service_answer answer_of(enum jobs_answer a) {
    switch (a) {
    case JOBS_ACCEPTED: return SERVICE_ACCEPTED;
    case JOBS_FULL: return SERVICE_QUEUE_FULL;
    default: return SERVICE_SHUTTING_DOWN;
    }
}

enum service_answer service_would_accept(struct service *s) {
    enum service_state state = service_state(s);
    if (state == SERVICE_LOADING) return SERVICE_NOT_LOADED;
    if (state == SERVICE_STOPPING) return SERVICE_SHUTTING_DOWN;
    return answer_of(jobs_would_accept(s->jobs));
}

enum service_answer service_submit(struct service *s, struct edit_job *job) {
    enum service_state state = service_state(s);
    if (state == SERVICE_LOADING) return SERVICE_NOT_LOADED;
    if (state == SERVICE_STOPPING) return SERVICE_SHUTTING_DOWN;
    edit_job_prepare(job);
    return answer_of(jobs_submit(s->jobs, &job->job));
}

void service_cancel(struct edit_job *job) {
    job_cancel(&job->job);
}

bool service_hold_bytes(struct service *s, uint64_t bytes) {
    uint64_t held = atomic_fetch_add(&s->held_bytes, bytes) + bytes;
    if (held <= s->most_held_bytes) return true;
    atomic_fetch_sub(&s->held_bytes, bytes);
    return false;
}

void service_release_bytes(struct service *s, uint64_t bytes) {
    if (bytes) atomic_fetch_sub(&s->held_bytes, bytes);
}

uint64_t service_held_bytes(const struct service *s) {
    return atomic_load(&s->held_bytes);
}

void service_stop(struct service *s) {
    atomic_store(&s->state, SERVICE_STOPPING);
    jobs_close(s->jobs);
}

void service_count(struct service *s, int *waiting, int *running) {
    jobs_count(s->jobs, waiting, running);
}

void service_destroy(struct service *s) {
    if (!s) return;
    jobs_destroy(s->jobs);
    job_store_destroy(s->store);
    firered_close(s->engine);
    metrics_destroy(s->metrics);
    free(s);
}
