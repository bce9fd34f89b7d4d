/*
 * The story of one edit on a worker: read the pictures, edit, write the result.  Between the
 * stages, and several times per step within, it asks whether it should stop.  The engine's sentence
 * about a failure goes to the log; the client gets it only where it is about his own request, and
 * never with a path or an address in it.
 */
#include "service/edit_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "image/decode.h"
#include "pipeline/edited_file.h"
#include "service/metrics.h"
#include "service/service.h"

static struct edit_job *edit_job_of(struct job *job) {
    return (struct edit_job *)((char *)job - offsetof(struct edit_job, job));
}

static void free_files(struct edit_order *order, struct service *service) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) buffer_free(&order->files[i]);
    service_release_bytes(service, order->held_bytes);
    order->held_bytes = 0;
}

void edit_order_free(struct edit_order *order, struct service *service) {
    free_files(order, service);
    free(order->prompt);
    free(order->negative_prompt);
    *order = (struct edit_order){0};
}

void edit_job_free(struct edit_job *job) {
    edit_order_free(&job->order, job->service);
    buffer_free(&job->outcome.file);
}

const char *edit_end_name(enum edit_end end) {
    static const char *const names[] = {
        [EDIT_DONE] = "ok",
        [EDIT_INVALID_FILE] = "invalid_file",
        [EDIT_INVALID_IMAGE] = "invalid_image",
        [EDIT_INVALID_REQUEST] = "invalid_request",
        [EDIT_NO_MEMORY] = "gpu_oom",
        [EDIT_FAILED] = "inference_error",
        [EDIT_TIMED_OUT] = "timeout",
        [EDIT_CANCELLED] = "cancelled",
        [EDIT_SHUT_DOWN] = "shutting_down",
    };
    return names[end];
}

/* "0x" and at least four hexadecimal digits, but not within a size such as 100x1000. */
static bool has_address(const char *text) {
    for (const char *p = text; (p = strstr(p, "0x")); p += 2) {
        bool in_number = p > text && p[-1] >= '0' && p[-1] <= '9';
        if (!in_number && strspn(p + 2, "0123456789abcdefABCDEF") >= 4) return true;
    }
    return false;
}

/* Whether a sentence may be shown to a client: no path, no address. */
static bool is_presentable(const char *text) {
    if (!*text || strstr(text, "./") || has_address(text)) return false;
    for (const char *p = text; (p = strchr(p, '/')); p++)
        if (p == text || strchr(" '\"(=:", p[-1])) return false;
    return true;
}

static void set_end(struct edit_job *job, enum edit_end end, const char *detail) {
    job->outcome.end = end;
    snprintf(job->outcome.detail, sizeof job->outcome.detail, "%s", detail);
}

static void set_failure(struct edit_job *job, enum edit_end end, const struct error *why,
                        const char *otherwise) {
    set_end(job, end, is_presentable(why->text) ? why->text : otherwise);
    log_event(service_log(job->service), end == EDIT_FAILED ? LOG_ERROR : LOG_WARN, "edit failed",
              LOG_STR("request_id", job->request_id), LOG_STR("error", edit_end_name(end)),
              LOG_STR("why", why->text));
}

static void set_no_memory(struct edit_job *job, const struct error *why) {
    set_failure(job, EDIT_NO_MEMORY, why, "");
    set_end(job, EDIT_NO_MEMORY,
            "memory does not suffice for this edit; ask for a smaller width and height, or try "
            "again later");
}

static void set_read_failure(struct edit_job *job, enum status s, size_t which,
                             const struct error *why) {
    struct error told = {0};
    if (s == STATUS_NO_MEMORY) {
        set_no_memory(job, why);
        return;
    }
    if (is_presentable(why->text))
        snprintf(told.text, sizeof told.text, "image %zu: %.400s", which + 1, why->text);
    if (s == STATUS_UNSUPPORTED)
        set_failure(job, EDIT_INVALID_FILE, &told,
                    "an image is in no supported format: send PNG, JPEG or WebP");
    else if (s == STATUS_INVALID)
        set_failure(job, EDIT_INVALID_IMAGE, &told,
                    "an image cannot be decoded: it is truncated or corrupt");
    else
        set_failure(job, EDIT_FAILED, why, "an image could not be read");
}

static enum status read_pictures(struct edit_job *job, struct picture *pictures) {
    int64_t from = clock_now();
    enum status s = STATUS_OK;
    for (size_t i = 0; i < job->order.file_count && s == STATUS_OK; i++) {
        struct error err = {0};
        const struct buffer *file = &job->order.files[i];
        if (job_stopping(&job->job)) return STATUS_CANCELLED;
        s = picture_decode(&pictures[i], file->data, file->size,
                           service_config(job->service)->max_image_pixels, &err);
        if (s != STATUS_OK) set_read_failure(job, s, i, &err);
    }
    free_files(&job->order, job->service);
    job->outcome.read_seconds = clock_seconds(from, clock_now());
    metrics_time(service_metrics(job->service), METRICS_READ, job->outcome.read_seconds);
    return s;
}

static void on_progress(void *arg, const struct firered_progress *now) {
    struct edit_job *job = arg;
    if (job->progress) job->progress(job, now);
    if (now->stage != FIRERED_STAGE_DENOISE) return;
    int64_t t = clock_now();
    if (now->step > job->steps_seen && job->step_started)
        metrics_step(service_metrics(job->service),
                     clock_seconds(job->step_started, t) / (now->step - job->steps_seen));
    job->step_started = t;
    job->steps_seen = now->step;
}

static bool is_cancelled(void *arg) {
    return job_stopping(&((struct edit_job *)arg)->job);
}

static void set_edit_failure(struct edit_job *job, enum status s, const struct error *why) {
    switch (s) {
    case STATUS_CANCELLED: /* `ended` knows why */ break;
    case STATUS_INVALID:
        set_failure(job, EDIT_INVALID_REQUEST, why,
                    "the model cannot do this edit as it was asked for");
        break;
    case STATUS_NO_MEMORY: set_no_memory(job, why); break;
    case STATUS_NOT_FINITE:
        set_failure(job, EDIT_FAILED, why, "");
        set_end(job, EDIT_FAILED,
                "the edit produced numbers that are no picture (NaN); try another seed or prompt");
        break;
    default:
        set_failure(job, EDIT_FAILED, why, "");
        set_end(job, EDIT_FAILED,
                "the edit failed inside the server; the request id finds the reason in its log");
    }
}

static enum status edit_pictures(struct edit_job *job, const struct picture *pictures,
                                 struct picture *edited) {
    struct edit_outcome *out = &job->outcome;
    struct firered_edit edit = {
        .pictures = pictures,
        .picture_count = job->order.file_count,
        .prompt = job->order.prompt,
        .negative_prompt = job->order.negative_prompt,
        .guidance_scale = job->order.guidance_scale,
        .steps = job->order.steps,
        .seed = job->order.seed,
        .width = job->order.width,
        .height = job->order.height,
        .input_size = job->order.input_size,
        .progress = on_progress,
        .cancelled = is_cancelled,
        .arg = job,
    };
    struct firered_result result = {0};
    struct error err = {0};
    enum status s = firered_edit_run(service_engine(job->service), &edit, &result, &err);
    if (s != STATUS_OK) {
        set_edit_failure(job, s, &err);
        return s;
    }
    *edited = result.picture;
    out->steps = result.steps;
    out->guidance_scale = result.guidance_scale;
    out->encode_seconds = result.encode_seconds;
    out->denoise_seconds = result.denoise_seconds;
    out->decode_seconds = result.decode_seconds;
    struct metrics *m = service_metrics(job->service);
    metrics_time(m, METRICS_ENCODE, result.encode_seconds);
    metrics_time(m, METRICS_DENOISE, result.denoise_seconds);
    metrics_time(m, METRICS_DECODE, result.decode_seconds);
    return STATUS_OK;
}

static void write_picture(struct edit_job *job, const struct picture *edited) {
    struct error err = {0};
    int64_t from = clock_now();
    const struct edit_settings settings = {.prompt = job->order.prompt,
                                           .negative_prompt = job->order.negative_prompt,
                                           .model = service_model_name(job->service),
                                           .seed = job->order.seed,
                                           .steps = job->outcome.steps,
                                           .guidance_scale = job->outcome.guidance_scale};
    enum status s = edited_file_encode(&job->outcome.file, edited, job->order.format,
                                       job->order.quality, &settings, &err);
    if (s == STATUS_NO_MEMORY)
        set_no_memory(job, &err);
    else if (s != STATUS_OK)
        set_failure(job, EDIT_FAILED, &err, "the edited picture could not be encoded");
    else
        set_end(job, EDIT_DONE, "");
    job->outcome.width = edited->width;
    job->outcome.height = edited->height;
    job->outcome.write_seconds = clock_seconds(from, clock_now());
    metrics_time(service_metrics(job->service), METRICS_WRITE, job->outcome.write_seconds);
}

static void run(struct job *base) {
    struct edit_job *job = edit_job_of(base);
    struct picture pictures[FIRERED_MAX_PICTURES] = {0}, edited = {0};
    on_progress(job, &(struct firered_progress){FIRERED_STAGE_ENCODE, 0, job->order.steps});
    enum status s = read_pictures(job, pictures);
    if (s == STATUS_OK) s = edit_pictures(job, pictures, &edited);
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) picture_free(&pictures[i]);
    if (s == STATUS_OK) write_picture(job, &edited);
    picture_free(&edited);
}

int edit_job_log_fields(const struct edit_job *job, struct log_field *f) {
    const struct edit_order *order = &job->order;
    const struct edit_outcome *o = &job->outcome;
    int n = 0;
    f[n++] = LOG_STR("outcome", edit_end_name(o->end));
    f[n++] = LOG_INT("pictures", order->file_count);
    f[n++] = LOG_INT("prompt_bytes", job->prompt_bytes);
    f[n++] = LOG_STR("seed", job->seed);
    f[n++] = LOG_INT("steps", order->steps);
    f[n++] = LOG_REAL("guidance_scale", order->guidance_scale);
    f[n++] = LOG_REAL("queue_ms", o->queue_seconds * 1e3);
    if (o->end != EDIT_DONE) return n;
    f[n++] = LOG_INT("width", o->width);
    f[n++] = LOG_INT("height", o->height);
    f[n++] = LOG_REAL("read_ms", o->read_seconds * 1e3);
    f[n++] = LOG_REAL("encode_ms", o->encode_seconds * 1e3);
    f[n++] = LOG_REAL("denoise_ms", o->denoise_seconds * 1e3);
    f[n++] = LOG_REAL("decode_ms", o->decode_seconds * 1e3);
    f[n++] = LOG_REAL("write_ms", o->write_seconds * 1e3);
    return n;
}

static void ended(struct job *base, enum job_end end) {
    struct edit_job *job = edit_job_of(base);
    int64_t taken = base->started ? base->started : clock_now();
    job->outcome.queue_seconds = clock_seconds(base->submitted, taken);
    metrics_queue_wait(service_metrics(job->service), job->outcome.queue_seconds);
    if (end != JOB_RAN) buffer_free(&job->outcome.file);
    if (end == JOB_TIMED_OUT)
        set_end(
            job, EDIT_TIMED_OUT,
            base->started
                ? "the edit took longer than the server allows; ask for fewer steps or a smaller "
                  "picture"
                : "the edit waited in the queue for as long as the server allows; try again later");
    else if (end == JOB_CANCELLED)
        set_end(job, EDIT_CANCELLED, "the client went away");
    else if (end == JOB_SHUT_DOWN)
        set_end(job, EDIT_SHUT_DOWN, "the server is shutting down; try again later");
    free_files(&job->order, job->service);
    metrics_edit(service_metrics(job->service), edit_end_name(job->outcome.end));
    job->done(job);
}

void edit_job_prepare(struct edit_job *job) {
    /* Should the engine report a cancellation that nobody asked for, this is what the client is
     * told. */
    set_end(job, EDIT_FAILED, "the edit was stopped inside the server");
    job->step_started = 0;
    job->steps_seen = 0;
    job->prompt_bytes = strlen(job->order.prompt);
    snprintf(job->seed, sizeof job->seed, "%llu", (unsigned long long)job->order.seed);
    job->job.deadline = job->deadline;
    job->job.run = run;
    job->job.ended = ended;
}
