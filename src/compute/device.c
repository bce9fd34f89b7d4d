/*
 * The one place that chooses the device.  `auto` takes the first kind whose probe goes well and
 * says in the log why those before it did not; a device that was named is made, or refused with its
 * probe's sentence, and never replaced by another one.  What memory a model would take on a card can
 * be planned without the card.
 */
#include "compute/device.h"

#include <stdlib.h>
#include <string.h>

static const struct device_kind kinds[] = {
    {.name = "cuda", .probe = cuda_probe, .plans_without = true, .create = cuda_create},
    {.name = "cpu", .probe = cpu_probe, .create = cpu_create},
};

enum status compute_create(struct compute **out, const struct compute_options *options,
                           struct error *err) {
    return device_create(kinds, sizeof kinds / sizeof *kinds, out, options, err);
}

static enum status create_first(const struct device_kind *table, size_t count, struct compute **out,
                                const struct compute_options *options, struct error *err) {
    enum status s = fail(err, STATUS_INVALID, "there is no device to compute on");
    struct error why = {"it is the first choice"};
    for (size_t i = 0; i < count; i++) {
        struct error what = {{0}};
        s = table[i].probe(0, &what);
        if (s == STATUS_OK) {
            log_event(options->log, LOG_INFO, "device chosen", LOG_STR("device", table[i].name),
                      LOG_STR("found", what.text), LOG_STR("why", why.text));
            return table[i].create(out, 0, options, err);
        }
        why = what;
    }
    if (err) *err = why;
    return s;
}

/* "cuda:1" is number 1 of "cuda", and "cuda" number 0; NULL when no kind is called so. */
static const struct device_kind *find(const struct device_kind *table, size_t count,
                                      const char *name, int *index) {
    size_t n = strcspn(name, ":");
    *index = 0;
    if (name[n] == ':') {
        const char *digits = name + n + 1;
        size_t length = strspn(digits, "0123456789");
        if (length < 1 || length > 3 || digits[length] != '\0') return NULL;
        *index = (int)strtol(digits, NULL, 10);
    }
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) == n && strncmp(table[i].name, name, n) == 0) return &table[i];
    return NULL;
}

enum status device_create(const struct device_kind *table, size_t count, struct compute **out,
                          const struct compute_options *options, struct error *err) {
    *out = NULL;
    if (!options->device || strcmp(options->device, "auto") == 0)
        return create_first(table, count, out, options, err);
    int index;
    const struct device_kind *kind = find(table, count, options->device, &index);
    if (!kind)
        return fail(err, STATUS_INVALID,
                    "there is no device \"%s\"; it is auto, cpu or cuda, or cuda:1 for the second "
                    "of several cards",
                    options->device);
    struct error what;
    bool plan = kind->plans_without && options->plan_only && options->device_memory;
    enum status s = kind->probe(index, &what);
    if (s == STATUS_OK || plan) return kind->create(out, index, options, err);
    if (err) *err = what;
    return s;
}
