/*
 * known_models.h - how the published models want to be run.
 *
 * Published repositories carry no edit_config.json, and a distilled one that runs 28 steps at
 * guidance 7.0 looks burnt.  So there is one table, known_models.c, of what their makers say; a row
 * is found by the model's id or, where that says nothing, by what its configs say.
 *
 *     struct known_facts facts = {.folder = folder, .zero_cond_t = c.transformer.zero_cond_t, ...};
 *     const struct known_model *row = known_model_find(&facts);
 *     known_model_apply(row, &c.edit);
 */
#ifndef MODEL_KNOWN_MODELS_H
#define MODEL_KNOWN_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "firered.h"
#include "model/config.h"

/* What a row is looked for by. */
struct known_facts {
    const char *folder; /* a snapshot in the hub's cache says the id, any other folder its name */
    bool zero_cond_t;   /* transformer/config.json */
    double base_shift, max_shift, shift_terminal; /* scheduler_config.json; 0: no terminal shift */
    const struct firered_lora *loras;
    size_t lora_count;
};

struct known_model {
    const char *name;  /* what people see */
    const char *lora;  /* pattern of an adapter's file name, or NULL: the row is about models */
    const char *id;    /* pattern of NAME in ORG/NAME, or NULL: the configs say it, below */
    const char *class; /* _class_name of model_index.json, or NULL: any */
    bool zero_cond_t;  /* must be set */
    bool shift_3;      /* the schedule must be the one of Lightning: shift 3, no terminal */
    int steps;
    double guidance;
    bool distilled;     /* run without guidance, always */
    const char *source; /* who says so */
};

/* The row that counts: an adapter's before the model's, an id's before what configs say; NULL where
 * none fits. */
const struct known_model *known_model_find(const struct known_facts *facts);

/* Row i of the table, in the order in which they are tried; NULL after the last. */
const struct known_model *known_model_at(size_t i);

/* Fills in what edit_config.json left open; `row` may be NULL. */
void known_model_apply(const struct known_model *row, struct edit_config *config);

#endif
