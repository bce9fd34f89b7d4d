/*
 * Numbers are read as those of the settings; what an edit is asked for, as the fields of a request.
 */
#include "cli/flags.h"

#include <string.h>

#include "config/values.h"
#include "firered.h"

enum status flag_int(const struct args *args, const char *flag, int min, int max, int *out,
                     struct error *err) {
    const char *text = args_last(args, flag);
    struct shown_value shown;
    int64_t n;
    if (!text || !*text) return STATUS_OK;
    value_show(&shown, text);
    if (!value_int(text, min, max, &n))
        return fail(err, STATUS_INVALID, "--%s %s: must be a whole number from %d to %d", flag,
                    shown.text, min, max);
    *out = (int)n;
    return STATUS_OK;
}

enum status flag_field(const struct args *args, const struct field *f, struct field_values *out,
                       struct error *err) {
    char flag[FIELD_FLAG_SIZE], allowed[FIELD_ALLOWED_SIZE];
    struct shown_value shown;
    field_flag(f, flag);
    const char *text = args_last(args, flag);
    if (!text || !*text || field_read(out, f, text, strlen(text), FIRERED_MAX_STEPS))
        return STATUS_OK;
    value_show(&shown, text);
    field_allowed(f, FIRERED_MAX_STEPS, allowed);
    return fail(err, STATUS_INVALID, "--%s %s: must be %s", flag, shown.text, allowed);
}

enum status flag_steps(const struct args *args, int *out, struct error *err) {
    struct field_values values = {.steps = *out};
    enum status s = flag_field(args, field_find(FIELD_OF_COMMAND, "steps"), &values, err);
    *out = values.steps;
    return s;
}

enum status flag_guidance(const struct args *args, double *out, struct error *err) {
    struct field_values values = {.guidance_scale = *out};
    enum status s = flag_field(args, field_find(FIELD_OF_COMMAND, "guidance_scale"), &values, err);
    *out = values.guidance_scale;
    return s;
}
