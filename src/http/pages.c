/*
 * Every page is made anew from what the service says at this moment; only the two documents are
 * constants of the program.
 */
#include "http/pages.h"

#include "base/log_sink.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "http/assets.h"
#include "service/job_store.h"

void page_health(struct request *r) {
    reply_json(&r->reply, 200, json_pack("{s:s}", "status", "ok"));
}

static void tell_loading(struct request *r) {
    struct service *s = r->server->service;
    char detail[96];
    double share;
    bool downloading = service_downloading(s, &share);
    if (!downloading) share = service_loading_share(s);
    const char *status = downloading ? "downloading" : "loading";
    snprintf(detail, sizeof detail, "the model is %s (%.0f%%)", status, share * 100);
    reply_error_json(&r->reply, HTTP_MODEL_LOADING, r->id, detail,
                     json_pack("{s:s, s:f}", "status", status, "progress", share));
}

void page_ready(struct request *r) {
    struct service *s = r->server->service;
    switch (service_state(s)) {
    case SERVICE_READY:
        reply_json(&r->reply, 200,
                   json_pack("{s:s, s:s}", "status", "ready", "model", service_model_name(s)));
        break;
    case SERVICE_LOADING: tell_loading(r); break;
    case SERVICE_LOST:
        reply_error_json(
            &r->reply, HTTP_INFERENCE_ERROR, r->id,
            "the device that computes is lost, as the log says; the server ends, to be "
            "started again",
            json_pack("{s:s}", "status", "device_lost"));
        break;
    case SERVICE_CHANGED:
        reply_error_json(&r->reply, HTTP_INFERENCE_ERROR, r->id,
                         "the model's files were changed while they were in use, as the log says; "
                         "start the server again",
                         json_pack("{s:s}", "status", "model_changed"));
        break;
    case SERVICE_NO_ROOM:
        reply_error_json(&r->reply, HTTP_GPU_OOM, r->id,
                         "no edit with the default settings fits into memory, as the log says; "
                         "raise the limits, or ask for smaller edits",
                         json_pack("{s:s}", "status", "no_memory"));
        break;
    default:
        reply_error_json(&r->reply, HTTP_SHUTTING_DOWN, r->id, "the server is shutting down",
                         json_pack("{s:s}", "status", "shutting_down"));
    }
}

void page_metrics(struct request *r) {
    struct service *s = r->server->service;
    const struct config *c = r->server->config;
    struct metrics_now now = {
        .ready = service_state(s) == SERVICE_READY,
        .loading_share = service_loading_share(s),
        .queue_limit = c->max_queue,
        .edits_limit = c->max_concurrent_jobs,
        .connections = clients_count(r->server->clients),
        .event_streams = event_streams_count(r->server->streams),
        .result_bytes_limit = (uint64_t)c->result_max_mb << 20,
        .upload_bytes = upload_budget_held(service_uploads(s)),
        .log_lines_lost = r->server->log->sink ? atomic_load(&r->server->log->sink->total) : 0,
        .model = service_model_name(s),
        .info = service_info(s),
    };
    struct buffer page = {0};
    queue_count(service_queue(s), &now.queue_depth, &now.edits_running);
    job_store_count(service_jobs(s), &now.jobs_kept, &now.result_bytes);
    if (metrics_write(service_metrics(s), &now, &page, NULL) == STATUS_OK)
        reply_body(&r->reply, 200, "text/plain; version=0.0.4; charset=utf-8", &page);
    else
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for the metrics page");
    buffer_free(&page);
}

static json_t *examples_json(const struct firered_info *info) {
    json_t *array = json_array();
    for (size_t i = 0; i < info->example_count; i++)
        json_array_append_new(array, json_string(info->examples[i]));
    return array;
}

/* To a hundredth: it is no more than an estimate. */
static json_t *seconds_json(double seconds) {
    return seconds > 0 ? json_real(ceil(seconds * 100) / 100) : json_null();
}

static json_t *model_json(const struct service *s) {
    const struct firered_info *info = service_info(s);
    if (!info) return json_null();
    const struct edit_rules *rules = service_rules(s);
    /* clang-format off */
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:o, s:o, s:s?, s:i, s:i,"
                     " s:{s:i, s:f, s:s, s:s}}",
                     "name", service_model_name(s),
                     "device", info->device,
                     "dtype", info->dtype,
                     "kernels", info->kernels,
                     "threads", info->threads,
                     "distilled", info->distilled,
                     "parameters", (json_int_t)info->parameters,
                     "weight_bytes", (json_int_t)info->weight_bytes,
                     "output_area", (json_int_t)info->output_area,
                     "estimated_seconds", seconds_json(service_estimated_seconds(s)),
                     "examples", examples_json(info),
                     "note", info->note,
                     "max_pictures", info->max_pictures,
                     "reference_limit", info->max_pictures, /* as older clients know it */
                     "defaults",
                         "steps", rules->steps,
                         "guidance_scale", rules->guidance_scale,
                         "negative_prompt", rules->negative_prompt,
                         "output_format", "png");
    /* clang-format on */
}

static json_t *limits_json(const struct config *c, const struct edit_rules *rules) {
    /* clang-format off */
    return json_pack("{s:i, s:f, s:i, s:i, s:I, s:i, s:i, s:[i,i], s:f, s:f, s:i}",
                     "max_concurrent_jobs", c->max_concurrent_jobs,
                     "timeout_seconds", c->timeout_seconds,
                     "max_queue", c->max_queue,
                     "max_upload_mb", c->max_upload_mb,
                     "max_image_pixels", (json_int_t)c->max_image_pixels,
                     "max_steps", c->max_steps,
                     "max_images", rules ? rules->max_pictures : FIRERED_MAX_PICTURES,
                     "side", FIRERED_MIN_SIDE, FIRERED_MAX_SIDE,
                     "max_guidance_scale", (double)FIRERED_MAX_GUIDANCE,
                     "result_ttl_seconds", c->result_ttl_seconds,
                     "result_max_mb", c->result_max_mb);
    /* clang-format on */
}

void page_info(struct request *r) {
    static const char *const states[] = {
        [SERVICE_LOADING] = "loading",   [SERVICE_READY] = "ready",
        [SERVICE_LOST] = "device_lost",  [SERVICE_CHANGED] = "model_changed",
        [SERVICE_NO_ROOM] = "no_memory", [SERVICE_STOPPING] = "shutting_down"};
    struct service *s = r->server->service;
    double share;
    const char *status = states[service_state(s)];
    if (service_state(s) == SERVICE_LOADING && service_downloading(s, &share))
        status = "downloading";
    reply_json(&r->reply, 200,
               json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", "firered", "version", FIRERED_VERSION,
                         "status", status, "model", model_json(s), "limits",
                         limits_json(r->server->config, service_rules(s))));
}

void page_openapi(struct request *r) {
    struct buffer body = {0};
    if (buffer_append(&body, asset_openapi_json, asset_openapi_json_size, NULL) == STATUS_OK)
        reply_body(&r->reply, 200, "application/json", &body);
    else
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for this page");
}

/* The page's style is the only thing the browser may use, and only with this answer's nonce. */
void page_docs(struct request *r) {
    static const char mark[] = "NONCE";
    char nonce[17];
    struct buffer body = {0};
    snprintf(nonce, sizeof nonce, "%016llx", (unsigned long long)random_bits());
    const char *at = strstr(asset_docs_html, mark);
    size_t before = at ? (size_t)(at - asset_docs_html) : asset_docs_html_size;
    enum status s = buffer_append(&body, asset_docs_html, before, NULL);
    if (s == STATUS_OK && at) s = buffer_append(&body, nonce, 16, NULL);
    if (s == STATUS_OK && at)
        s = buffer_append(&body, at + sizeof mark - 1,
                          asset_docs_html_size - before - (sizeof mark - 1), NULL);
    if (s != STATUS_OK) {
        buffer_free(&body);
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for this page");
        return;
    }
    reply_body(&r->reply, 200, "text/html; charset=utf-8", &body);
    reply_header(&r->reply, "Content-Security-Policy",
                 "default-src 'none'; style-src 'nonce-%s'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'",
                 nonce);
}
