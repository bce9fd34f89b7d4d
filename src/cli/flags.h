/*
 * flags.h - the values of a command's own flags, read strictly.
 *
 * Each leaves *out alone where the flag was not given or is empty, so that the caller's initial
 * value is the default.  STATUS_INVALID: one sentence with the flag, its value and what is allowed.
 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdint.h>

#include "config/args.h"
#include "config/fields.h"
#include "firered/status.h"

enum status flag_int(const struct args *args, const char *flag, int min, int max, int *out,
                     struct error *err);
/* The flag of a request's field, into *out. */
enum status flag_field(const struct args *args, const struct field *f, struct field_values *out,
                       struct error *err);

/* What --steps and --guidance-scale say. */
enum status flag_steps(const struct args *args, int *out, struct error *err);
enum status flag_guidance(const struct args *args, double *out, struct error *err);

#endif
