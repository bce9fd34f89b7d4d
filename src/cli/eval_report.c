/*
 * Classes are listed in the order in which the list names them first.
 */
#include "cli/eval_report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_out.h"

struct measure {
    double sum, min;
};

struct tally {
    const char *class;
    size_t count, judged, right; /* judged: items with a nearest class; right: it is their own */
    struct measure psnr, ssim;
};

struct tallies {
    struct tally *classes;
    size_t count;
    struct tally all;
};

static void measure_add(struct measure *m, double value, size_t before) {
    m->sum += value;
    m->min = before == 0 || value < m->min ? value : m->min;
}

static void tally_add(struct tally *t, const struct eval_item *item, const struct eval_score *s) {
    measure_add(&t->psnr, s->psnr, t->count);
    measure_add(&t->ssim, s->ssim, t->count);
    t->count++;
    t->judged += s->nearest != NULL;
    t->right += s->nearest && strcmp(s->nearest, item->class) == 0;
}

static enum status tallies_make(struct tallies *out, const struct eval_list *list,
                                const struct eval_score *scores, struct error *err) {
    *out = (struct tallies){.classes = calloc(list->count, sizeof *out->classes),
                            .all = {.class = "all"}};
    if (!out->classes) return fail(err, STATUS_NO_MEMORY, "no memory for the scores");
    for (size_t i = 0; i < list->count; i++) {
        size_t k = 0;
        while (k < out->count && strcmp(out->classes[k].class, list->items[i].class) != 0) k++;
        if (k == out->count) out->classes[out->count++].class = list->items[i].class;
        tally_add(&out->classes[k], &list->items[i], &scores[i]);
        tally_add(&out->all, &list->items[i], &scores[i]);
    }
    return STATUS_OK;
}

/* How many items of one class came out nearest to another. */
static size_t confused(const struct eval_list *list, const struct eval_score *scores,
                       const char *class, const char *nearest) {
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++)
        n += scores[i].nearest && strcmp(list->items[i].class, class) == 0 &&
             strcmp(scores[i].nearest, nearest) == 0;
    return n;
}

static void write_row(const struct tally *t, int width) {
    double n = (double)t->count;
    printf("%-*s %6zu %10.2f %8.2f %10.4f %8.4f\n", width, t->class, t->count, t->psnr.sum / n,
           t->psnr.min, t->ssim.sum / n, t->ssim.min);
}

static void write_confusion(const struct tallies *t, const struct eval_list *list,
                            const struct eval_score *scores, int width) {
    if (t->all.judged == 0) return;
    printf("\nThe instruction decides: %zu of %zu (%.1f%%) are nearest to what was asked for.\n",
           t->all.right, t->all.judged, 100.0 * (double)t->all.right / (double)t->all.judged);
    if (t->all.right == t->all.judged) return;
    printf("%-*s  %-*s  edits\n", width, "asked for", width, "nearest to");
    for (size_t a = 0; a < t->count; a++)
        for (size_t b = 0; b < t->count; b++) {
            if (a == b) continue;
            size_t n = confused(list, scores, t->classes[a].class, t->classes[b].class);
            if (n > 0)
                printf("%-*s  %-*s  %zu of %zu\n", width, t->classes[a].class, width,
                       t->classes[b].class, n, t->classes[a].judged);
        }
}

enum status eval_report_text(const struct eval_list *list, const struct eval_score *scores,
                             struct error *err) {
    struct tallies t;
    enum status s = tallies_make(&t, list, scores, err);
    if (s != STATUS_OK) return s;
    int width = 10;
    for (size_t i = 0; i < t.count; i++) {
        size_t n = strlen(t.classes[i].class);
        if (n > (size_t)width && n <= 40) width = (int)n;
    }
    printf("%-*s %6s %10s %8s %10s %8s\n", width, "class", "edits", "PSNR mean", "min", "SSIM mean",
           "min");
    for (size_t i = 0; i < t.count; i++) write_row(&t.classes[i], width);
    write_row(&t.all, width);
    write_confusion(&t, list, scores, width);
    free(t.classes);
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the scores");
}

static json_t *measure_json(const struct measure *m, size_t count) {
    return json_pack("{s:f, s:f}", "mean", m->sum / (double)count, "min", m->min);
}

static json_t *tally_json(const struct tally *t) {
    return json_pack("{s:I, s:o, s:o}", "count", (json_int_t)t->count, "psnr",
                     measure_json(&t->psnr, t->count), "ssim", measure_json(&t->ssim, t->count));
}

static json_t *confusion_row(const struct tallies *t, size_t row, const struct eval_list *list,
                             const struct eval_score *scores) {
    json_t *out = json_object();
    for (size_t i = 0; i < t->count; i++) {
        size_t n = confused(list, scores, t->classes[row].class, t->classes[i].class);
        if (n > 0) json_object_set_new(out, t->classes[i].class, json_integer((json_int_t)n));
    }
    return out;
}

static json_t *items_json(const struct eval_list *list, const struct eval_score *scores) {
    json_t *out = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct eval_item *item = &list->items[i];
        json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:f, s:f, s:s?}", "picture",
                                             item->picture, "prompt", item->prompt, "class",
                                             item->class, "psnr", scores[i].psnr, "ssim",
                                             scores[i].ssim, "nearest", scores[i].nearest));
    }
    return out;
}

enum status eval_report_json(const struct eval_list *list, const struct eval_score *scores,
                             const char *model, struct error *err) {
    struct tallies t;
    enum status s = tallies_make(&t, list, scores, err);
    if (s != STATUS_OK) return s;
    json_t *classes = json_object(), *confusion = json_object();
    for (size_t i = 0; i < t.count; i++) {
        json_object_set_new(classes, t.classes[i].class, tally_json(&t.classes[i]));
        if (t.classes[i].judged > 0)
            json_object_set_new(confusion, t.classes[i].class, confusion_row(&t, i, list, scores));
    }
    json_t *root = json_pack("{s:s, s:o, s:o, s:{s:I, s:I}, s:o, s:o}", "model", model, "all",
                             tally_json(&t.all), "classes", classes, "instruction_decides", "right",
                             (json_int_t)t.all.right, "of", (json_int_t)t.all.judged, "confusion",
                             confusion, "items", items_json(list, scores));
    free(t.classes);
    return json_out(root, err);
}
