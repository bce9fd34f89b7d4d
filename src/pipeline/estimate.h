/*
 * estimate.h - how long an edit will take: its operations, counted by a dry run, at the speed that a
 * small edit had on this machine.
 */
#ifndef PIPELINE_ESTIMATE_H
#define PIPELINE_ESTIMATE_H

#include "compute/compute.h"
#include "firered.h"

/* Of each phase; 0: nothing of the kind was measured. */
struct engine_speed {
    struct phase_speed {
        double products; /* floating-point operations a second, of linear layers and attention */
        double convs;    /* likewise, of convolutions */
        double bytes;    /* a second, that all else reads and writes */
        double wait;     /* seconds of one pass that are no operation's: weights are read, mostly */
    } phases[FIRERED_PHASES];
};

/* Every cost of an edit; seconds are not known. */
struct edit_costs {
    struct firered_cost once[FIRERED_PHASES][FIRERED_OPERATIONS]; /* with one step */
    struct firered_cost step[FIRERED_OPERATIONS];                 /* one more */
};

/* By an edit of one step without guidance. */
void engine_speed_measure(struct engine_speed *out, const struct firered_result *small);

/* For want of an edit: by a product of the kind that a transformer of this width is made of, and by one
 * in float32 for the VAE, which takes a fifth of a second.  STATUS_NO_MEMORY, STATUS_DEVICE. */
enum status engine_speed_of_product(struct engine_speed *out, struct compute *c, int64_t width,
                                    struct error *err);

/* Of products, in all. */
double edit_costs_flops(const struct edit_costs *costs, int steps);
/* 0 where the speed was not measured. */
double edit_costs_seconds(const struct edit_costs *costs, const struct engine_speed *speed,
                          int steps, bool guided);

#endif
