/*
 * device.h - the kinds of device that there are; only compute/ and its tests include this.
 *
 * A backend is one row of a table: how its devices are called, found and made.
 */
#ifndef COMPUTE_DEVICE_H
#define COMPUTE_DEVICE_H

#include "compute/compute.h"

struct device_kind {
    const char *name; /* "cpu" */
    /* Whether device number `index` of this kind can be used.  Either way one sentence in *what:
     * what is there, or why it cannot be used and what to do about it. */
    enum status (*probe)(int index, struct error *what);
    /* Whether a plan-only device of compute_options.device_memory is made though the probe fails. */
    bool plans_without;
    /* Called after a probe that went well, or for such a plan. */
    enum status (*create)(struct compute **out, int index, const struct compute_options *options,
                          struct error *err);
};

/* compute_create from a table of kinds, the ones that `auto` prefers first. */
enum status device_create(const struct device_kind *kinds, size_t count, struct compute **out,
                          const struct compute_options *options, struct error *err);

/* cuda/cuda.c: index is the card's number.  A probe looks for a driver and a card that the kernels
 * can run on, and takes nothing of it. */
enum status cuda_probe(int index, struct error *what);
enum status cuda_create(struct compute **out, int index, const struct compute_options *options,
                        struct error *err);

/* cpu/cpu.c */
enum status cpu_probe(int index, struct error *what);
enum status cpu_create(struct compute **out, int index, const struct compute_options *options,
                       struct error *err);

#endif
