/*
 * The state is one atomic: it is set to READY after everything that a reader may then look at is in
 * place, and never back, so that no reader needs a lock.  Whether the model's files have changed is
 * looked at whenever somebody asks; the first time that they have is logged.
 */
#include "service/service.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "service/local_queue.h"
#include "service/workers.h"

struct service {
    const struct config *config;
    const char *model, *model_name;
    const struct log *log;
    struct metrics *metrics;
    struct editor editor; /* its engine is NULL until loaded */
    struct local_queue *queue;
    struct workers *workers;
    struct job_store *store;
    struct upload_budget uploads;
    struct decode_room decode_room;
    struct firered_info info;
    struct edit_rules rules;
    atomic_int state;
    atomic_bool loaded, downloading, change_logged, loss_logged;
    atomic_bool no_room; /* for an edit with default settings; looked at again until there is */
    struct model_fetch fetch; /* run is NULL: the model is here */
    char *fetched;            /* its folder */
    atomic_int loaded_permille;
    _Atomic double estimated_seconds;
};

/* All that waits and works. */
static enum status start(struct service *s, struct error *err) {
    const struct config *c = s->config;
    s->metrics = metrics_create();
    if (!s->metrics) return fail(err, STATUS_NO_MEMORY, "no memory for the metrics");
    s->editor = (struct editor){.model = s->model_name,
                                .max_image_pixels = c->max_image_pixels,
                                .ignore_profiles = c->ignore_profiles,
                                .room = &s->decode_room,
                                .metrics = s->metrics,
                                .log = s->log};
    enum status e =
        local_queue_create(&s->queue, c->max_concurrent_jobs, c->max_queue, s->metrics, err);
    if (e != STATUS_OK) return e;
    const struct job_store_options kept = {.queue = local_queue_front(s->queue),
                                           .metrics = s->metrics,
                                           .log = s->log,
                                           .ttl_seconds = c->result_ttl_seconds,
                                           .max_bytes = (uint64_t)c->result_max_mb << 20};
    e = job_store_create(&s->store, &kept, err);
    if (e == STATUS_OK)
        e = workers_create(&s->workers, c->max_concurrent_jobs, s->queue, &s->editor, err);
    return e;
}

enum status service_create(struct service **out, const struct config *config, const char *model,
                           const char *model_name, const struct log *log, struct error *err) {
    *out = NULL;
    struct service *s = calloc(1, sizeof *s);
    if (!s) return fail(err, STATUS_NO_MEMORY, "no memory for the service");
    s->config = config;
    s->model = model;
    s->model_name = model_name;
    s->log = log;
    decode_room_init(&s->decode_room, config->max_image_pixels);
    s->uploads.max_bytes = ((uint64_t)config->max_queue + (uint64_t)config->max_concurrent_jobs) *
                               (uint64_t)config->max_upload_mb
                           << 20;
    atomic_store(&s->state, SERVICE_LOADING);
    enum status e = start(s, err);
    if (e != STATUS_OK) {
        service_destroy(s);
        return e;
    }
    *out = s;
    return STATUS_OK;
}

void service_fetch_first(struct service *s, const struct model_fetch *fetch) {
    s->fetch = *fetch;
    atomic_store(&s->downloading, true);
}

bool service_downloading(const struct service *s, double *share) {
    bool yes = atomic_load(&s->downloading);
    *share = yes ? s->fetch.share(s->fetch.arg) : 1;
    return yes;
}

static enum status fetch(struct service *s, struct error *err) {
    if (!s->fetch.run) return STATUS_OK;
    enum status e = s->fetch.run(s->fetch.arg, &s->fetched, err);
    atomic_store(&s->downloading, false);
    s->model = s->fetched;
    return e;
}

static void on_loading(void *arg, double share) {
    struct service *s = arg;
    int permille = share < 0 ? 0 : share > 1 ? 1000 : (int)(share * 1000);
    int before = atomic_exchange(&s->loaded_permille, permille);
    if (permille / 100 != before / 100)
        log_event(s->log, LOG_INFO, "loading", LOG_STR("model", s->model_name),
                  LOG_INT("percent", permille / 10));
}

/* The smallest edit: what is cold gets warm, and the speed is known. */
static enum status warm_up(struct service *s, struct error *err) {
    enum status e = firered_warm_up(s->editor.engine, err);
    if (e != STATUS_NO_MEMORY) return e;
    log_event(s->log, LOG_WARN, "warm-up skipped", LOG_STR("why", err->text));
    return STATUS_OK;
}

/* How long an edit with the service's own steps and guidance will take. */
static enum status estimate(struct service *s, struct error *err) {
    struct firered_estimate found;
    enum status e =
        firered_estimate(s->editor.engine, s->rules.steps, s->rules.guidance_scale, &found, err);
    if (e != STATUS_OK) return e;
    atomic_store(&s->estimated_seconds, found.seconds);
    if (found.seconds <= s->config->timeout_seconds) return STATUS_OK;
    log_event(s->log, LOG_WARN,
              "TIMEOUT_SECONDS is shorter than an edit with the default settings will take",
              LOG_REAL("timeout_seconds", s->config->timeout_seconds),
              LOG_REAL("estimated_seconds", found.seconds), LOG_INT("steps", s->rules.steps),
              LOG_INT("width", found.width), LOG_INT("height", found.height));
    return STATUS_OK;
}

/* Smaller edits may still fit, so nothing is refused. */
static void check_room(struct service *s) {
    struct error why;
    bool room = firered_check_room(s->editor.engine, s->rules.steps, s->rules.guidance_scale,
                                   &why) != STATUS_NO_MEMORY;
    if (!room && !atomic_exchange(&s->no_room, true))
        log_event(s->log, LOG_ERROR,
                  "not ready: no edit with the default settings fits into memory",
                  LOG_STR("why", why.text));
    if (room && atomic_exchange(&s->no_room, false))
        log_event(s->log, LOG_INFO, "ready: there is memory for an edit now");
}

/* The most memory that the process had at a time, pages of the model's files included. */
static int64_t peak_bytes(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

enum status service_load(struct service *s, struct error *err) {
    enum status e = fetch(s, err);
    if (e != STATUS_OK) return e;
    int64_t from = clock_now();
    const struct config *c = s->config;
    struct firered_options options = {
        .model = s->model,
        .device = c->device,
        .dtype = c->dtype,
        .generator = c->seed_generator,
        .threads = c->threads,
        .memory_limit = c->memory_limit,
        .device_memory = c->device_memory,
        .edits = c->max_concurrent_jobs,
        .loras = c->loras,
        .lora_count = c->lora_count,
        .log = s->log,
        .loading = on_loading,
        .loading_arg = s,
    };
    log_event(s->log, LOG_INFO, "loading", LOG_STR("model", s->model_name), LOG_INT("percent", 0));
    e = firered_open(&s->editor.engine, &options, err);
    if (e != STATUS_OK) return e;
    firered_describe(s->editor.engine, &s->info);
    s->rules = edit_rules_of(s->model_name, &s->info, c);
    atomic_store(&s->loaded, true);
    atomic_store(&s->loaded_permille, 1000);
    int64_t opened = clock_now();

    e = warm_up(s, err);
    if (e == STATUS_OK) e = estimate(s, err);
    if (e != STATUS_OK) return e;
    check_room(s);
    local_queue_open(s->queue);
    int loading = SERVICE_LOADING;
    atomic_compare_exchange_strong(&s->state, &loading, SERVICE_READY);
    log_event(s->log, LOG_INFO, "ready", LOG_STR("model", s->model_name),
              LOG_STR("device", s->info.device), LOG_STR("dtype", s->info.dtype),
              LOG_STR("kernels", s->info.kernels), LOG_INT("threads", s->info.threads),
              LOG_INT("parameters", s->info.parameters),
              LOG_INT("weight_bytes", s->info.weight_bytes),
              LOG_REAL("load_seconds", clock_seconds(from, opened)),
              LOG_REAL("warm_up_seconds", clock_seconds(opened, clock_now())),
              LOG_REAL("estimated_seconds", atomic_load(&s->estimated_seconds)),
              LOG_INT("peak_bytes", peak_bytes()));
    return STATUS_OK;
}

enum status service_check_device(struct service *s, struct error *err) {
    if (!atomic_load(&s->loaded)) return STATUS_OK;
    enum status e = firered_check_device(s->editor.engine, err);
    if (e != STATUS_OK && !atomic_exchange(&s->loss_logged, true))
        log_event(s->log, LOG_ERROR, "the device is lost", LOG_STR("why", err->text));
    return e;
}

enum service_state service_state(struct service *s) {
    enum service_state state = (enum service_state)atomic_load(&s->state);
    struct error why;
    if (service_check_device(s, &why) != STATUS_OK) return SERVICE_LOST; /* while it ends, too */
    if (state != SERVICE_READY) return state;
    if (firered_check_files(s->editor.engine, &why) != STATUS_OK) {
        if (!atomic_exchange(&s->change_logged, true))
            log_event(s->log, LOG_ERROR, "the model's files have changed",
                      LOG_STR("why", why.text));
        return SERVICE_CHANGED;
    }
    if (atomic_load(&s->no_room)) check_room(s);
    return atomic_load(&s->no_room) ? SERVICE_NO_ROOM : SERVICE_READY;
}

double service_loading_share(const struct service *s) {
    return atomic_load(&s->loaded_permille) / 1000.0;
}

const struct firered_info *service_info(const struct service *s) {
    return atomic_load(&s->loaded) ? &s->info : NULL;
}

const struct edit_rules *service_rules(const struct service *s) {
    return atomic_load(&s->loaded) ? &s->rules : NULL;
}

double service_estimated_seconds(const struct service *s) {
    return atomic_load(&s->estimated_seconds);
}

const char *service_model_name(const struct service *s) {
    return s->model_name;
}

struct metrics *service_metrics(struct service *s) {
    return s->metrics;
}

struct queue *service_queue(struct service *s) {
    return local_queue_front(s->queue);
}

struct job_store *service_jobs(struct service *s) {
    return s->store;
}

struct upload_budget *service_uploads(struct service *s) {
    return &s->uploads;
}

void service_stop(struct service *s) {
    atomic_store(&s->state, SERVICE_STOPPING);
    queue_close(service_queue(s));
}

void service_destroy(struct service *s) {
    if (!s) return;
    workers_destroy(s->workers);
    local_queue_destroy(s->queue);
    job_store_destroy(s->store);
    firered_close(s->editor.engine);
    metrics_destroy(s->metrics);
    decode_room_destroy(&s->decode_room);
    free(s->fetched);
    free(s);
}
