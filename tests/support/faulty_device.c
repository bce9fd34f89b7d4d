/*
 * A copy of the device's own table of functions, with a few of them counted and made to fail.
 */
#include "support/faulty_device.h"

static struct {
    const struct backend *real;
    struct backend table;
    atomic_int calls;
    int at;
    enum status why;
    const char *sentence;
} faulty;

static bool fails(struct workspace *w) {
    if (atomic_fetch_add(&faulty.calls, 1) != faulty.at) return false;
    workspace_fail(w, faulty.why, "%s", faulty.sentence);
    return true;
}

static void linear(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
                   const struct linear *l, const struct epilogue *e) {
    if (!fails(w)) faulty.real->linear(w, scratch, out, in, l, e);
}

static void upload(struct workspace *w, struct tensor out, const float *in) {
    if (!fails(w)) faulty.real->upload(w, out, in);
}

void faulty_device_arm(struct compute *c, int at, enum status why, const char *sentence) {
    faulty.real = c->backend;
    faulty.table = *c->backend;
    faulty.table.linear = linear;
    faulty.table.upload = upload;
    atomic_store(&faulty.calls, 0);
    faulty.at = at;
    faulty.why = why;
    faulty.sentence = sentence;
    c->backend = &faulty.table;
}

int faulty_device_calls(void) {
    return atomic_load(&faulty.calls);
}

void faulty_device_disarm(struct compute *c) {
    c->backend = faulty.real;
}
