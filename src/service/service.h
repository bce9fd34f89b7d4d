/*
 * service.h - one loaded model, the queue before it, and what is known about both.
 *
 *     service_create     the queue and its workers; nothing is loaded, edits are refused with
 * SERVICE_LOADING service_load       loads and warms the model, in the caller's thread
 *     service_submit     ...
 *     service_stop       turns away what waits, lets run what runs
 *     service_destroy
 *
 * Knows nothing of HTTP.  Every function but create, load and destroy may be called from any
 * thread.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "firered.h"
#include "service/edit_job.h"
#include "service/metrics.h"

struct service;
struct job_store;

enum service_state { SERVICE_LOADING, SERVICE_READY, SERVICE_STOPPING };

/* `model` is a folder, `model_name` what clients are told.  config, both names and log stay the
 * caller's and must live as long as the service.  STATUS_NO_MEMORY, STATUS_IO. */
enum status service_create(struct service **out, const struct config *config, const char *model,
                           const char *model_name, const struct log *log, struct error *err);

/* Opens the model and runs one small edit, so that the first client does not pay for cold memory.
 * Blocks. Errors as firered_open's; a warm-up edit that fails for another reason than memory is an
 * error too. */
enum status service_load(struct service *s, struct error *err);

enum service_state service_state(const struct service *s);
double service_loading_share(const struct service *s); /* 0 to 1 */

/* What is served; NULL until loaded.  Lives as long as the service. */
const struct firered_info *service_info(const struct service *s);
const char *service_model_name(const struct service *s);
const struct config *service_config(const struct service *s);
const struct log *service_log(const struct service *s);
struct metrics *service_metrics(struct service *s);
struct job_store *service_jobs(struct service *s); /* the edits that nobody waits for */

/* The steps and the guidance that an edit gets which asks for none: the configuration's, else the
 * model's, else 28 and 7.0.  A distilled model is always run with guidance 1; then *fixed_guidance
 * is true.  Needs a loaded model. */
void service_defaults(const struct service *s, int *steps, double *guidance_scale,
                      bool *fixed_guidance);

enum service_answer {
    SERVICE_ACCEPTED,
    SERVICE_NOT_LOADED,
    SERVICE_QUEUE_FULL,
    SERVICE_SHUTTING_DOWN,
    SERVICE_NO_MEMORY /* of job_store_submit only */
};

/* Queues the edit; anything but SERVICE_ACCEPTED: it was not taken, and `done` will not be called.
 */
enum service_answer service_submit(struct service *s, struct edit_job *job);

/* What service_submit would answer now. */
enum service_answer service_would_accept(struct service *s);

/* The client is gone: the edit leaves the queue, or stops within a step.  `done` is called all the
 * same. */
void service_cancel(struct edit_job *job);

/* Bytes of uploads that requests hold.  hold says false, and counts nothing, when that were more
 * than the queue and the workers can ever need: so many clients sending slowly at once could
 * otherwise fill the memory. */
bool service_hold_bytes(struct service *s, uint64_t bytes);
void service_release_bytes(struct service *s, uint64_t bytes);
uint64_t service_held_bytes(const struct service *s);

/* No edit is accepted any more; those that wait end with EDIT_SHUT_DOWN before this returns. */
void service_stop(struct service *s);
void service_count(struct service *s, int *waiting, int *running);

/* Waits for what runs, then closes the model.  NULL is fine. */
void service_destroy(struct service *s);

/* edit_job.c's way to the engine. */
struct firered *service_engine(struct service *s);

#endif
