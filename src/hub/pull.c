/*
 * The plan is a list of blobs, each once.  A thread a blob: the next one starts when the one before
 * has no segment left to give, so that no connection is idle at a file's end.  hub_pull's own thread
 * starts them, tells the progress, and links at the end.
 */
#include "hub/pull.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "hub/blob.h"
#include "hub/part_file.h"
#include "hub/rate.h"
#include "hub/select.h"
#include "hub/snapshot.h"

enum { RESERVE_BYTES = 64 << 20 };

enum job_state { JOB_WAITING, JOB_TAKING, JOB_TAKEN, JOB_DONE };

struct job {
    struct pull *pull;
    const struct hub_file *file;
    struct buffer known; /* an index, which was read for the plan */
    enum job_state state;
    bool joined;
    enum status status;
    struct error error;
    pthread_t thread;
};

struct pull {
    const struct hub_options *options;
    const struct hub_id *id;
    const struct hub_pull_request *request;
    struct hub_pull_result *result;
    struct hub_cache cache;
    struct hub_lanes *lanes;
    struct hub_remote remote;
    struct hub_tree tree;
    bool *chosen;
    struct buffer *indexes; /* per file of the tree: its bytes, where they were read */
    struct job *jobs;
    size_t job_count;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job's state */
    atomic_bool stop;
    atomic_uint_fast64_t there, received;
};

static bool on_stopped(void *arg) {
    return atomic_load(&((struct pull *)arg)->stop);
}

static void on_all_taken(void *arg) {
    struct job *job = arg;
    pthread_mutex_lock(&job->pull->lock);
    if (job->state == JOB_TAKING) job->state = JOB_TAKEN;
    pthread_cond_signal(&job->pull->changed);
    pthread_mutex_unlock(&job->pull->lock);
}

static void *run_job(void *arg) {
    struct job *job = arg;
    struct pull *p = job->pull;
    const struct hub_blob blob = {
        .cache = &p->cache,
        .remote = &p->remote,
        .commit = p->result->commit,
        .file = job->file,
        .again = p->request->force,
        .known = job->known.data ? &job->known : NULL,
        .all_taken = on_all_taken,
        .arg = job,
        .there = &p->there,
        .received = &p->received,
    };
    job->status = hub_blob_fetch(&blob, &job->error);
    if (job->status != STATUS_OK) atomic_store(&p->stop, true);
    pthread_mutex_lock(&p->lock);
    job->state = JOB_DONE;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* The folder that a file lies in. */
static size_t part_of(const struct hub_file *file) {
    const char *slash = strchr(file->path, '/');
    return slash ? (size_t)(slash - file->path) : 0;
}

static bool same_part(const struct hub_file *a, const struct hub_file *b) {
    size_t n = part_of(a);
    return n == part_of(b) && strncmp(a->path, b->path, n) == 0;
}

/* Tells how far the pull is; of the parts the first that is not done. */
static void tell_progress(struct pull *p, struct hub_rate *rate) {
    const struct hub_file *now = NULL;
    char part[256] = "";
    struct hub_event e = {.kind = HUB_EVENT_PROGRESS, .part = part, .seconds = -1};
    for (size_t i = 0; i < p->job_count; i++)
        if (p->jobs[i].state != JOB_DONE && (!now || hub_is_weights(p->jobs[i].file->path))) {
            now = p->jobs[i].file;
            if (hub_is_weights(now->path)) break;
        }
    if (now) snprintf(part, sizeof part, "%.*s", (int)part_of(now), now->path);
    bool weights = now && hub_is_weights(now->path);
    for (size_t i = 0; weights && i < p->tree.count; i++) {
        const struct hub_file *file = &p->tree.files[i];
        if (!p->chosen[i] || !hub_is_weights(file->path) || !same_part(file, now)) continue;
        e.items++;
        if (file <= now) e.item++;
    }
    e.bytes = atomic_load(&p->there);
    e.total = p->result->bytes;
    e.rate = hub_rate_now(rate, atomic_load(&p->received));
    if (e.rate > 0 && e.total >= e.bytes) e.seconds = (double)(e.total - e.bytes) / e.rate;
    hub_tell(p->options, &e);
}

/* Joins the jobs that are done, and tells their files.  Returns how many are running. */
static int reap(struct pull *p) {
    int running = 0;
    for (size_t i = 0; i < p->job_count; i++) {
        struct job *job = &p->jobs[i];
        pthread_mutex_lock(&p->lock);
        enum job_state state = job->state;
        pthread_mutex_unlock(&p->lock);
        running += state == JOB_TAKING || state == JOB_TAKEN;
        if (state != JOB_DONE || job->joined) continue;
        job->joined = true;
        pthread_join(job->thread, NULL);
        if (job->status == STATUS_OK)
            hub_tell(p->options, &(struct hub_event){.kind = HUB_EVENT_FILE,
                                                     .path = job->file->path,
                                                     .bytes = atomic_load(&p->there),
                                                     .total = p->result->bytes});
    }
    return running;
}

/* Starts the next job where one may start; false: none is left, or all are to stop. */
static bool start_next(struct pull *p, size_t *next, int running) {
    if (*next == p->job_count || hub_remote_ended(&p->remote)) return false;
    if (running > hub_lanes_count(p->lanes)) return true;
    struct job *job = &p->jobs[*next];
    pthread_mutex_lock(&p->lock);
    bool may = *next == 0 || job[-1].state != JOB_TAKING;
    if (may) job->state = JOB_TAKING;
    pthread_mutex_unlock(&p->lock);
    if (!may) return true;
    if (pthread_create(&job->thread, NULL, run_job, job) == 0) {
        ++*next;
        return true;
    }
    pthread_mutex_lock(&p->lock);
    job->state = JOB_WAITING;
    pthread_mutex_unlock(&p->lock);
    if (running > 0) return true;
    job->status = fail(&job->error, STATUS_NO_MEMORY, "no thread to pull with");
    atomic_store(&p->stop, true);
    return false;
}

/* The first real failure among the jobs; a cancelled one only when there is no other. */
static enum status outcome(const struct pull *p, struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < p->job_count; i++) {
        const struct job *job = &p->jobs[i];
        if (job->status == STATUS_OK || (job->status == STATUS_CANCELLED && s != STATUS_OK))
            continue;
        if (s != STATUS_OK && s != STATUS_CANCELLED) continue;
        s = job->status;
        *err = job->error;
    }
    if (s == STATUS_OK && hub_cancelled(p->options)) s = fail(err, STATUS_CANCELLED, "interrupted");
    return s;
}

static enum status run_jobs(struct pull *p, struct error *err) {
    struct hub_rate rate;
    size_t next = 0;
    hub_rate_start(&rate);
    for (int64_t reported = 0;;) {
        int running = reap(p);
        size_t before = next;
        bool more = start_next(p, &next, running);
        if (!more && running == 0 && next == before) break;
        int64_t now = clock_now();
        pthread_mutex_lock(&p->lock);
        if (next == before) {
            struct timespec until = clock_timespec(now + NANOSECONDS / 20);
            pthread_cond_timedwait(&p->changed, &p->lock, &until);
        }
        bool tell = now - reported >= NANOSECONDS / 4;
        if (tell) tell_progress(p, &rate);
        pthread_mutex_unlock(&p->lock);
        if (tell) reported = now;
    }
    reap(p);
    return outcome(p, err);
}

/* What is in the list, for select.h. */
static bool tree_has(void *arg, const char *path) {
    return hub_tree_find(&((struct pull *)arg)->tree, path) != NULL;
}

/* An index, from the cache or the hub; it is kept for the job that will store it. */
static enum status tree_read(void *arg, const char *path, struct buffer *out, struct error *err) {
    struct pull *p = arg;
    const struct hub_file *file = hub_tree_find(&p->tree, path);
    struct buffer *kept = &p->indexes[file - p->tree.files];
    char *blob = NULL;
    enum status s = STATUS_OK;
    if (file->size > HUB_JSON_BYTES)
        return fail(err, STATUS_INVALID, "%s is larger than an index can be", path);
    if (!p->request->force && hub_cache_has(&p->cache, p->result->commit, file)) {
        s = hub_cache_has_blob(&p->cache, file)
                ? hub_cache_path(&p->cache, &blob, err, "blobs/%s", file->hash)
                : hub_cache_path(&p->cache, &blob, err, "snapshots/%s/%s", p->result->commit, path);
        if (s == STATUS_OK) s = buffer_read_file(out, blob, HUB_JSON_BYTES, err);
        free(blob);
        return s;
    }
    s = hub_remote_read(&p->remote, p->result->commit, file, kept, err);
    if (s == STATUS_OK &&
        buffer_append(out, kept->data ? kept->data : "", kept->size, NULL) != STATUS_OK)
        s = fail(err, STATUS_NO_MEMORY, "no memory for %s", path);
    return s;
}

/* peft's adapters have their scale in a file beside them. */
static bool is_config_of(const char *path, const char *adapter) {
    static const char weights[] = "adapter_model.safetensors", config[] = "adapter_config.json";
    size_t n = strlen(adapter), tail = strlen(weights);
    if (n < tail || strcmp(adapter + n - tail, weights) != 0) return false;
    return strncmp(path, adapter, n - tail) == 0 && strcmp(path + (n - tail), config) == 0;
}

static enum status choose(struct pull *p, struct error *err) {
    const struct hub_look look = {tree_has, tree_read, p, false};
    struct error why;
    if (p->request->all || p->request->file) {
        const struct hub_file *one =
            p->request->file ? hub_tree_find(&p->tree, p->request->file) : NULL;
        for (size_t i = 0; i < p->tree.count; i++)
            p->chosen[i] = !p->request->file || &p->tree.files[i] == one ||
                           is_config_of(p->tree.files[i].path, p->request->file);
        return !p->request->file || one ? STATUS_OK
                                        : fail(err, STATUS_INVALID, "%s/%s has no file %s",
                                               p->id->org, p->id->name, p->request->file);
    }
    enum status s = hub_select(&p->tree, &look, p->chosen, &why);
    if (s == STATUS_INVALID)
        return fail(err, s, "%s/%s@%.40s: %.300s", p->id->org, p->id->name, p->id->revision,
                    why.text);
    if (s != STATUS_OK) *err = why;
    return s;
}

/* Whether an earlier file of the list is the same blob. */
static bool is_again(const struct pull *p, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (p->chosen[k] && strcmp(p->tree.files[k].hash, p->tree.files[i].hash) == 0) return true;
    return false;
}

/* Jobs for what is missing, the small files first; sums up what the plan tells. */
static enum status plan(struct pull *p, struct error *err) {
    struct hub_pull_result *r = p->result;
    p->jobs = calloc(p->tree.count + 1, sizeof *p->jobs);
    if (!p->jobs) return fail(err, STATUS_NO_MEMORY, "no memory for the plan of a pull");
    for (int large = 0; large < 2; large++)
        for (size_t i = 0; i < p->tree.count; i++) {
            const struct hub_file *file = &p->tree.files[i];
            bool is_large = file->lfs || file->size > HUB_SEGMENT_BYTES;
            if (!p->chosen[i] || is_large != (large == 1)) continue;
            r->files++;
            if (is_again(p, i)) continue;
            r->bytes += file->size;
            if (!p->request->force && hub_cache_has(&p->cache, r->commit, file)) {
                atomic_fetch_add(&p->there, file->size);
                continue;
            }
            struct job *job = &p->jobs[p->job_count++];
            *job = (struct job){.pull = p, .file = file, .known = p->indexes[i]};
            p->indexes[i] = (struct buffer){0};
            r->fetch += file->size - hub_part_peek(&p->cache, file);
        }
    hub_tell(p->options, &(struct hub_event){.kind = HUB_EVENT_PLAN,
                                             .files = r->files,
                                             .bytes = atomic_load(&p->there),
                                             .total = r->bytes,
                                             .fetch = r->fetch});
    return STATUS_OK;
}

static enum status check_space(const struct pull *p, struct error *err) {
    struct statvfs fs;
    const char *cache = p->options->cache;
    if (p->result->fetch == 0 || statvfs(p->cache.blobs, &fs) != 0) return STATUS_OK;
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_blocks == 0 || available >= p->result->fetch + RESERVE_BYTES) return STATUS_OK;
    double needed = (double)(p->result->fetch + RESERVE_BYTES), there = (double)available;
    bool small = needed < 1e9;
    return fail(err, STATUS_IO,
                "%s/%s needs %.1f %s more in %s, where %.1f %s are free: free some, or set HF_HOME "
                "to a folder on a larger disk",
                p->id->org, p->id->name, needed / (small ? 1e6 : 1e9), small ? "MB" : "GB", cache,
                there / (small ? 1e6 : 1e9), small ? "MB" : "GB");
}

static bool is_shared(const struct pull *p, size_t i) {
    for (size_t k = i + 1; k < p->tree.count; k++)
        if (p->chosen[k] && strcmp(p->tree.files[k].hash, p->tree.files[i].hash) == 0) return true;
    return false;
}

static enum status link_all(struct pull *p, struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < p->tree.count; i++) {
        if (!p->chosen[i]) continue;
        if (!hub_cache_has(&p->cache, p->result->commit, &p->tree.files[i]))
            s = fail(err, STATUS_IO, "%s was deleted from the cache while the model was pulled",
                     p->tree.files[i].path);
        else
            s = hub_cache_link(&p->cache, p->result->commit, &p->tree.files[i], is_shared(p, i),
                               err);
    }
    return s == STATUS_OK ? hub_cache_set_ref(&p->cache, p->id->revision, p->result->commit, err)
                          : s;
}

/* Commit, list, choice. */
static enum status ask_hub(struct pull *p, struct error *err) {
    enum status s = hub_lanes_create(&p->lanes, p->options, err);
    p->remote = (struct hub_remote){p->options, p->id, p->lanes, on_stopped, p};
    if (s == STATUS_OK) s = hub_remote_commit(&p->remote, p->id->revision, p->result->commit, err);
    if (s == STATUS_OK) s = hub_remote_tree(&p->remote, p->result->commit, &p->tree, err);
    if (s != STATUS_OK) return s;
    if (p->tree.ignored)
        hub_say(p->options, HUB_EVENT_NOTE,
                "%zu files that the hub lists have names or hashes that cannot be used, and are "
                "left out",
                p->tree.ignored);
    p->chosen = calloc(p->tree.count + 1, sizeof *p->chosen);
    p->indexes = calloc(p->tree.count + 1, sizeof *p->indexes);
    if (!p->chosen || !p->indexes) return fail(err, STATUS_NO_MEMORY, "no memory for a list");
    return choose(p, err);
}

/* A model that is here whole, when that answers the request without the hub. */
static enum status look_here(struct pull *p, bool *found, struct error *err) {
    struct buffer missing = {0};
    char *folder = NULL, *file = NULL;
    const char *revision = p->id->revision;
    enum status s = STATUS_OK;
    *found = false;
    if (p->request->all || p->request->force) return s;
    if (!hub_is_commit(revision) && !p->options->offline) return s;
    if (!hub_snapshot_commit(&p->cache, revision, p->result->commit)) return s;
    if (p->request->file) {
        s = hub_cache_path(&p->cache, &file, err, "snapshots/%s/%s", p->result->commit,
                           p->request->file);
        struct statvfs fs;
        *found = s == STATUS_OK && statvfs(file, &fs) == 0;
    } else {
        s = hub_snapshot_look(&p->cache, revision, &folder, &missing, err);
        *found = s == STATUS_OK && folder && missing.size == 0;
    }
    free(file);
    free(folder);
    buffer_free(&missing);
    return s;
}

static enum status pull(struct pull *p, struct error *err) {
    bool found;
    enum status s = hub_cache_open(&p->cache, p->options, p->id, err);
    if (s == STATUS_OK) s = look_here(p, &found, err);
    if (s != STATUS_OK || found) return s;
    if (p->options->offline)
        return fail(
            err, STATUS_INVALID,
            "%s/%s@%s is not whole in %s, and %s says that there is no network: unset it, or "
            "pull the model where there is one",
            p->id->org, p->id->name, p->id->revision, p->options->cache, p->options->offline_why);
    s = ask_hub(p, err);
    if (s == STATUS_OK) s = plan(p, err);
    if (s != STATUS_OK || p->request->dry_run) return s;
    if (p->job_count > 0) s = hub_cache_make(&p->cache, err);
    if (s == STATUS_OK) s = check_space(p, err);
    if (s == STATUS_OK) s = run_jobs(p, err);
    if (s == STATUS_OK) s = link_all(p, err);
    return s;
}

enum status hub_pull(const struct hub_options *o, const struct hub_id *id,
                     const struct hub_pull_request *request, struct hub_pull_result *out,
                     struct error *err) {
    struct pull p = {.options = o, .id = id, .request = request, .result = out};
    *out = (struct hub_pull_result){0};
    pthread_mutex_init(&p.lock, NULL);
    clock_cond_init(&p.changed);
    enum status s = pull(&p, err);
    if (s == STATUS_OK)
        s = hub_cache_path(&p.cache, &out->folder, err, "snapshots/%s", out->commit);
    out->received = atomic_load(&p.received);
    for (size_t i = 0; p.indexes && i < p.tree.count; i++) buffer_free(&p.indexes[i]);
    for (size_t i = 0; i < p.job_count; i++) buffer_free(&p.jobs[i].known);
    free(p.indexes);
    free(p.jobs);
    free(p.chosen);
    hub_lanes_destroy(p.lanes);
    hub_tree_free(&p.tree);
    hub_cache_close(&p.cache);
    pthread_cond_destroy(&p.changed);
    pthread_mutex_destroy(&p.lock);
    return s;
}

void hub_pull_result_free(struct hub_pull_result *r) {
    free(r->folder);
    r->folder = NULL;
}
