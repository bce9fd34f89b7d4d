#include "cli/flags.h"

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

enum status flag_real(const struct args *args, const char *flag, double min, double max,
                      double *out, struct error *err) {
    const char *text = args_last(args, flag);
    struct shown_value shown;
    if (!text || !*text) return STATUS_OK;
    value_show(&shown, text);
    if (!value_real(text, min, max, out))
        return fail(err, STATUS_INVALID, "--%s %s: must be a number from %g to %g", flag,
                    shown.text, min, max);
    return STATUS_OK;
}

enum status flag_steps(const struct args *args, int *out, struct error *err) {
    return flag_int(args, "steps", 1, FIRERED_MAX_STEPS, out, err);
}

enum status flag_guidance(const struct args *args, double *out, struct error *err) {
    return flag_real(args, "guidance-scale", 0, FIRERED_MAX_GUIDANCE, out, err);
}
