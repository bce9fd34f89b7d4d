/*
 * Looks at the pictures' headers, edits, writes the result; the engine has the pictures decoded one
 * after the other.  Between the stages, and several times per step
 * within, it asks whether it should stop.  The engine's sentence about a failure goes to the log;
 * the client gets it only where it is about his own request, and never with a path or an address in
 * it.
 */
#include "service/order_run.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "image/decode.h"
#include "pipeline/edited_file.h"

/* An edit under way. */
struct running_edit {
    const struct editor *editor;
    struct edit_order *order;
    const char *request_id;
    const struct edit_hooks *hooks;
    struct edit_outcome *outcome;
    int64_t step_started; /* clock_now; 0: none yet */
    int steps_seen;
    uint64_t decode_bytes[FIRERED_MAX_PICTURES];
    uint64_t in_room;  /* of the picture that was read last, while it may be there */
    bool failure_told; /* the outcome says already what was wrong with a picture */
};

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

static void set_failure(struct running_edit *e, enum edit_end end, const struct error *why,
                        const char *otherwise) {
    edit_outcome_set(e->outcome, end, is_presentable(why->text) ? why->text : otherwise);
    log_event(e->editor->log, end == EDIT_FAILED ? LOG_ERROR : LOG_WARN, "edit failed",
              LOG_STR("request_id", e->request_id), LOG_STR("error", edit_end_name(end)),
              LOG_STR("why", why->text));
}

static void set_no_memory(struct running_edit *e, const struct error *why) {
    set_failure(e, EDIT_NO_MEMORY, why, "");
    edit_outcome_set(
        e->outcome, EDIT_NO_MEMORY,
        "memory does not suffice for this edit; ask for a smaller width and height, or try "
        "again later");
}

static void set_read_failure(struct running_edit *e, enum status s, size_t which,
                             const struct error *why) {
    struct error shown = {0};
    if (s == STATUS_NO_MEMORY) {
        set_no_memory(e, why);
        return;
    }
    if (is_presentable(why->text))
        snprintf(shown.text, sizeof shown.text, "image %zu: %.400s", which + 1, why->text);
    if (s == STATUS_UNSUPPORTED)
        set_failure(e, EDIT_INVALID_FILE, &shown,
                    "an image is in no supported format: send PNG or JPEG");
    else if (s == STATUS_INVALID)
        set_failure(e, EDIT_INVALID_IMAGE, &shown,
                    "an image cannot be decoded: it is truncated or corrupt");
    else
        set_failure(e, EDIT_FAILED, why, "an image could not be read");
}

static struct decode_options options_of(const struct running_edit *e) {
    return (struct decode_options){.max_pixels = e->editor->max_image_pixels,
                                   .ignore_profiles = e->editor->ignore_profiles,
                                   .cancelled = e->hooks->stopping,
                                   .arg = e->hooks->arg};
}

/* What the headers say: the pictures' sides, and the memory for decoding each. */
static enum status look_at_pictures(struct running_edit *e, struct picture *pictures) {
    const struct decode_options options = options_of(e);
    for (size_t i = 0; i < e->order->file_count; i++) {
        struct error err = {0};
        struct picture_header header;
        const struct buffer *file = &e->order->files[i];
        uint64_t seed;
        if (edited_file_seed(&seed, file->data, file->size) && seed == e->order->seed)
            e->outcome->same_seed = true;
        enum status s = picture_probe(&header, file->data, file->size, &err);
        if (s == STATUS_OK) s = picture_check(&header, &options, &err);
        if (s != STATUS_OK) {
            set_read_failure(e, s, i, &err);
            return s;
        }
        picture_upright_sides(&header, &pictures[i].width, &pictures[i].height);
        e->decode_bytes[i] =
            (uint64_t)header.width * (uint64_t)header.height * (uint64_t)header.decode_bytes;
    }
    return STATUS_OK;
}

/* The picture that was read last is gone. */
static void leave_room(struct running_edit *e) {
    if (e->in_room) decode_room_leave(e->editor->room, e->in_room);
    e->in_room = 0;
}

static enum status decode(struct running_edit *e, size_t i, struct picture *out) {
    struct error err = {0};
    struct decode_report report;
    struct buffer *file = &e->order->files[i];
    const struct decode_options options = options_of(e);
    enum status s = picture_decode_with(out, &report, file->data, file->size, &options, &err);
    for (size_t k = 0; k < report.note_count; k++)
        log_event(e->editor->log, LOG_INFO, "picture", LOG_STR("request_id", e->request_id),
                  LOG_STR("note", report.notes[k]));
    buffer_free(file);
    if (i + 1 == e->order->file_count) edit_order_free_files(e->order);
    if (s != STATUS_OK && s != STATUS_CANCELLED) { /* who stopped it knows why */
        set_read_failure(e, s, i, &err);
        e->failure_told = true;
    }
    return s;
}

/* firered_edit.read */
static enum status read_picture(void *arg, size_t which, struct picture *out, struct error *err) {
    struct running_edit *e = arg;
    const struct edit_hooks *hooks = e->hooks;
    uint64_t bytes = e->decode_bytes[which];
    leave_room(e);
    if (e->editor->room && !decode_room_enter(e->editor->room, bytes, hooks->stopping, hooks->arg))
        return fail(err, STATUS_CANCELLED, "the edit was cancelled");
    if (e->editor->room) e->in_room = bytes;
    int64_t from = clock_now();
    enum status s = decode(e, which, out);
    e->outcome->read_seconds += clock_seconds(from, clock_now());
    return s == STATUS_OK ? s : fail(err, s, "a picture could not be read");
}

static void on_progress(void *arg, const struct firered_progress *now) {
    struct running_edit *e = arg;
    leave_room(e);
    if (e->hooks->progress) e->hooks->progress(e->hooks->arg, now);
    if (now->stage != FIRERED_STAGE_DENOISE) return;
    int64_t t = clock_now();
    if (now->step > e->steps_seen && e->step_started)
        metrics_step(e->editor->metrics,
                     clock_seconds(e->step_started, t) / (now->step - e->steps_seen));
    e->step_started = t;
    e->steps_seen = now->step;
}

static bool is_cancelled(void *arg) {
    const struct running_edit *e = arg;
    return e->hooks->stopping(e->hooks->arg);
}

static void set_edit_failure(struct running_edit *e, enum status s, const struct error *why) {
    switch (s) {
    case STATUS_CANCELLED: /* who stopped it knows why */ break;
    case STATUS_INVALID:
        set_failure(e, EDIT_INVALID_REQUEST, why,
                    "the model cannot do this edit as it was asked for");
        break;
    case STATUS_NO_MEMORY: set_no_memory(e, why); break;
    case STATUS_NOT_FINITE:
        set_failure(e, EDIT_FAILED, why, "");
        edit_outcome_set(
            e->outcome, EDIT_FAILED,
            "the edit produced numbers that are no picture (NaN); try another seed or prompt");
        break;
    default:
        set_failure(e, EDIT_FAILED, why, "");
        edit_outcome_set(
            e->outcome, EDIT_FAILED,
            "the edit failed inside the server; the request id finds the reason in its log");
    }
}

static enum status edit_pictures(struct running_edit *e, const struct picture *pictures,
                                 struct picture *edited) {
    struct edit_outcome *out = e->outcome;
    struct firered_edit edit = {
        .pictures = pictures,
        .picture_count = e->order->file_count,
        .read = read_picture,
        .prompt = e->order->prompt,
        .negative_prompt = e->order->negative_prompt,
        .guidance_scale = e->order->guidance_scale,
        .steps = e->order->steps,
        .seed = e->order->seed,
        .width = e->order->width,
        .height = e->order->height,
        .input_size = e->order->input_size,
        .progress = on_progress,
        .cancelled = is_cancelled,
        .arg = e,
    };
    for (size_t i = 0; i < edit.picture_count; i++)
        if (edit.read_bytes < e->decode_bytes[i]) edit.read_bytes = e->decode_bytes[i];
    struct firered_result result = {0};
    struct error err = {0};
    enum status s = firered_edit_run(e->editor->engine, &edit, &result, &err);
    leave_room(e);
    metrics_time(e->editor->metrics, METRICS_READ, out->read_seconds);
    if (s != STATUS_OK) {
        if (!e->failure_told) set_edit_failure(e, s, &err);
        return s;
    }
    *edited = result.picture;
    out->steps = result.steps;
    out->guidance_scale = result.guidance_scale;
    out->change = result.change;
    out->encode_seconds = result.encode_seconds;
    out->denoise_seconds = result.denoise_seconds;
    out->decode_seconds = result.decode_seconds;
    struct metrics *m = e->editor->metrics;
    metrics_time(m, METRICS_ENCODE, result.encode_seconds);
    metrics_time(m, METRICS_DENOISE, result.denoise_seconds);
    metrics_time(m, METRICS_DECODE, result.decode_seconds);
    return STATUS_OK;
}

static void write_picture(struct running_edit *e, const struct picture *edited) {
    struct error err = {0};
    int64_t from = clock_now();
    const struct edit_settings settings = {.prompt = e->order->prompt,
                                           .negative_prompt = e->order->negative_prompt,
                                           .model = e->editor->model,
                                           .seed = e->order->seed,
                                           .steps = e->outcome->steps,
                                           .guidance_scale = e->outcome->guidance_scale};
    enum status s = edited_file_encode(&e->outcome->file, edited, e->order->format,
                                       e->order->quality, &settings, &err);
    if (s == STATUS_NO_MEMORY)
        set_no_memory(e, &err);
    else if (s != STATUS_OK)
        set_failure(e, EDIT_FAILED, &err, "the edited picture could not be encoded");
    else
        edit_outcome_set(e->outcome, EDIT_DONE, "");
    e->outcome->width = edited->width;
    e->outcome->height = edited->height;
    e->outcome->write_seconds = clock_seconds(from, clock_now());
    metrics_time(e->editor->metrics, METRICS_WRITE, e->outcome->write_seconds);
}

void order_run(const struct editor *editor, struct edit_order *order, const char *request_id,
               const struct edit_hooks *hooks, struct edit_outcome *outcome) {
    struct running_edit e = {.editor = editor,
                             .order = order,
                             .request_id = request_id,
                             .hooks = hooks,
                             .outcome = outcome};
    struct picture pictures[FIRERED_MAX_PICTURES] = {0}, edited = {0};
    *outcome = (struct edit_outcome){0};
    /* Should the engine report a cancellation that nobody asked for, this is what the client
     * hears. */
    edit_outcome_set(outcome, EDIT_FAILED, "the edit was stopped inside the server");
    on_progress(&e, &(struct firered_progress){FIRERED_STAGE_ENCODE, 0, order->steps});
    enum status s = look_at_pictures(&e, pictures);
    if (s == STATUS_OK) s = edit_pictures(&e, pictures, &edited);
    edit_order_free_files(order);
    if (s == STATUS_OK) write_picture(&e, &edited);
    picture_free(&edited);
}
