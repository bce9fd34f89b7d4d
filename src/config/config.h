/*
 * config.h - the settings of the service: flags over environment over `.env` over defaults, each checked at start.
 *
 * One table (config.c) drives the parsing, `firered serve --help`, `.env.example` and the README's list, so that they
 * cannot drift apart.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "firered.h"

struct config {
    char *model_id;        /* as given; NULL when unset: see weights/hub.h for what is then served */
    int max_concurrent_jobs;
    double timeout_seconds;
    int default_steps;          /* 0 when unset: the model's own default counts */
    double default_guidance;    /* negative when unset, likewise */
    char *host;
    int port;
    int max_queue;
    int max_upload_mb;
    int64_t max_image_pixels;
    int max_steps;
    char *api_key; /* NULL: none is asked for */
    enum firered_device device;
    enum firered_dtype dtype;
    int threads; /* 0: all cores */
    enum firered_generator seed_generator;
    bool log_json;
    enum log_level log_level;
    char *cors_origins; /* NULL, "*", or a comma-separated list */
    struct firered_lora *loras;
    size_t lora_count;
    char *negative_prompt;
};

/* Reads flags (argv[1..argc-1], after the command's name), the environment and `.env` of the working directory.
 * STATUS_INVALID: one line naming the variable, the value and what is allowed.  On success the caller releases *out. */
enum status config_load(struct config *out, int argc, char **argv, struct error *err);
void config_free(struct config *c);

#endif
