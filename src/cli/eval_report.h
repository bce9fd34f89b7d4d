/*
 * eval_report.h - the scores of `firered eval`, per class, for people and for machines.
 */
#ifndef CLI_EVAL_REPORT_H
#define CLI_EVAL_REPORT_H

#include "cli/eval_list.h"
#include "firered/status.h"

enum { EVAL_PSNR_MAX = 100 }; /* what equal pictures count as, so that means stay finite */

struct eval_score {
    double psnr; /* dB, at most EVAL_PSNR_MAX */
    double ssim;
    /* The class whose expected picture of the same input is nearest to the result; NULL where the
     * list has no other class for this input. */
    const char *nearest;
};

/* Write to standard output.  scores: one for each item of the list.  STATUS_NO_MEMORY, STATUS_IO. */
enum status eval_report_text(const struct eval_list *list, const struct eval_score *scores,
                             struct error *err);
enum status eval_report_json(const struct eval_list *list, const struct eval_score *scores,
                             const char *model, struct error *err);

#endif
