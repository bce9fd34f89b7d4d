/*
 * service.h - one loaded model, the queue before it, and what is known about both.
 *
 *     service_create     the queue and its workers; nothing is loaded, edits are refused
 *     service_load       loads and warms the model, in the caller's thread
 *     queue_submit(service_queue(s), job), or job_store_submit(service_jobs(s), ...)
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
#include "service/edit_rules.h"
#include "service/job_store.h"
#include "service/metrics.h"
#include "service/queue.h"
#include "service/upload_budget.h"

struct service;

/* What brings a model to this machine before it is loaded, and how far that is, from 0 to 1. */
struct model_fetch {
    enum status (*run)(void *arg, char **folder, struct error *err); /* *folder: malloc'ed */
    double (*share)(void *arg);
    void *arg;
};

/* LOST: the device is, and edits fail until the next start.  CHANGED: the model's files are not what they were, and edits fail until the next start.
 * NO_ROOM: no edit with default settings fits into memory; a smaller one may. */
enum service_state {
    SERVICE_LOADING,
    SERVICE_READY,
    SERVICE_LOST,
    SERVICE_CHANGED,
    SERVICE_NO_ROOM,
    SERVICE_STOPPING
};

/* `model` is a folder, `model_name` what clients see.  config, both names and log stay the
 * caller's and must live as long as the service.  STATUS_NO_MEMORY, STATUS_IO. */
enum status service_create(struct service **out, const struct config *config, const char *model,
                           const char *model_name, const struct log *log, struct error *err);

/* Has service_load fetch the model first; the folder of service_create does not count then. */
void service_fetch_first(struct service *s, const struct model_fetch *fetch);

/* Whether the model is being fetched; *share says how much of it is here. */
bool service_downloading(const struct service *s, double *share);

/* Opens the model and runs the smallest edit, so that the first client does not pay for cold memory,
 * and the speed is known: a timeout that is too short for an edit is a warning.  Blocks. Errors as firered_open's; a warm-up edit that fails for another reason than memory is an
 * error too. */
enum status service_load(struct service *s, struct error *err);

enum service_state service_state(struct service *s);
/* STATUS_DEVICE and the reason in the state LOST: whoever runs the service ends it then. */
enum status service_check_device(struct service *s, struct error *err);
double service_loading_share(const struct service *s); /* 0 to 1 */

/* What is served, and what requests are checked against; NULL until loaded.  They live as long as
 * the service. */
const struct firered_info *service_info(const struct service *s);
const struct edit_rules *service_rules(const struct service *s);

/* What an edit with default settings will take when nothing else runs; 0 until that is known. */
double service_estimated_seconds(const struct service *s);

const char *service_model_name(const struct service *s);
struct metrics *service_metrics(struct service *s);
struct queue *service_queue(struct service *s);
struct job_store *service_jobs(struct service *s); /* the edits that nobody waits for */
/* Of all requests: as much as the queue and the workers can ever need. */
struct upload_budget *service_uploads(struct service *s);

/* No edit is accepted any more; those that wait end with EDIT_SHUT_DOWN before this returns. */
void service_stop(struct service *s);

/* Waits for what runs, then closes the model.  NULL is fine. */
void service_destroy(struct service *s);

#endif
