/*
 * scheduler.h - the noise levels of an edit's steps, and the step from one to the next.
 *
 * The flow-match Euler scheduler: sigma 1 is pure noise, 0 the finished picture; the network predicts
 * the velocity at a sigma, and a step follows it in a straight line to the next one.  Which sigmas
 * are visited is the model's own affair: its scheduler/scheduler_config.json says how they are
 * shifted towards the noisy end, more so for larger pictures.
 *
 *     struct scheduler_config config;
 *     enum status s = scheduler_config_load(&config, "/models/m", &err);
 *     ...
 *     s = scheduler_sigmas(&config, steps, tokens, sigmas, timesteps, &err);
 *     for (int i = 0; i < steps; i++) {
 *         ... velocity at timesteps[i] ...
 *         op_euler_step(w, latents, velocity, sigmas[i + 1] - sigmas[i]);
 *     }
 *
 * The step is float32, as diffusers has it for a float32 velocity.  With a bfloat16 one diffusers
 * also rounds the product and the sum to bfloat16; we keep the precision.
 *
 * Source: diffusers 0.42.1, FlowMatchEulerDiscreteScheduler, and QwenImageEditPlusPipeline's
 * calculate_shift.
 */
#ifndef PIPELINE_SCHEDULER_H
#define PIPELINE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

enum { SCHEDULER_MAX_STEPS = 1000 };

enum scheduler_time_shift { SCHEDULER_SHIFT_EXPONENTIAL, SCHEDULER_SHIFT_LINEAR };

/* How the sigmas lie between the first and the last one. */
enum scheduler_spacing {
    SCHEDULER_SPACING_FLOW,        /* as the shift leaves them */
    SCHEDULER_SPACING_KARRAS,      /* use_karras_sigmas: evenly in sigma^(1/7) */
    SCHEDULER_SPACING_EXPONENTIAL, /* use_exponential_sigmas: evenly in log(sigma) */
};

/* The names are the file's; see diffusers' class for their meaning. */
struct scheduler_config {
    int64_t num_train_timesteps; /* timestep = sigma * this */
    bool use_dynamic_shifting;   /* else the static `shift` */
    double shift;                /* > 0; 1 shifts nothing */
    enum scheduler_time_shift time_shift_type;
    double base_shift, max_shift;                  /* mu at these two ... */
    int64_t base_image_seq_len, max_image_seq_len; /* ... numbers of image tokens */
    double shift_terminal;                         /* the last sigma before 0; 0: as it comes */
    enum scheduler_spacing spacing;
};

/* Reads FOLDER/scheduler/scheduler_config.json, where FOLDER is the model's.  A key that is absent
 * or null has the default of diffusers' class; keys that the class does not have are not looked at.
 *
 * STATUS_INVALID, naming file and key: a value of the wrong type or out of range; a scheduler of
 * another class; a switch that we do not have (invert_sigmas, stochastic_sampling,
 * use_beta_sigmas); two spacings at once.  Also a file that is no JSON object.  STATUS_IO: there is
 * no such file, or it cannot be read.  STATUS_NO_MEMORY. */
enum status scheduler_config_load(struct scheduler_config *out, const char *folder,
                                  struct error *err);

/* Writes steps + 1 sigmas, falling, the last one 0, and the timesteps of the first `steps` of them:
 * what the pipeline asks for (linspace from 1 to 1/steps), shifted as *c says for image_seq_len
 * tokens, the number of rows of the packed noise.
 *
 * The numbers are computed in the precision in which numpy and torch do it: single for the shifts,
 * double for the spacings.  Where shift_terminal is set, a single step is {1, 0}: diffusers divides
 * zero by zero there.
 *
 * STATUS_INVALID: steps not 1..SCHEDULER_MAX_STEPS; image_seq_len below 1; a shift so far out that
 * no sigmas are left (the sentence names the shift). */
enum status scheduler_sigmas(const struct scheduler_config *c, int steps, int64_t image_seq_len,
                             float *sigmas /* steps + 1 */, float *timesteps /* steps */,
                             struct error *err);

#endif
