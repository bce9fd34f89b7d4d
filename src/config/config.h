/*
 * config.h - the settings of the program: flags over environment over `.env` over defaults, each
 * checked at start.  Only `serve` reads `.env`: it may be another project's.
 *
 * One table (options.c) drives the parsing, `--help`, `.env.example` and the README's list, so
 * that they cannot drift apart.  An empty value counts as unset, wherever it comes from.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "config/args.h"
#include "firered.h"

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum pull_mode { PULL_AUTO, PULL_NEVER };

struct config {
    char *model_id; /* as given; NULL when unset */
    int max_concurrent_jobs;
    double timeout_seconds;
    int default_steps;       /* 0 when unset: the model's own default counts */
    double default_guidance; /* negative when unset, likewise */
    char *host;
    bool host_from_environment; /* where others put one, too: conda exports HOST */
    int port;                   /* 0: any that is free */
    int max_queue;
    int max_upload_mb;
    int64_t max_image_pixels;
    int ignore_profiles; /* take the bytes of pictures for sRGB */
    int max_steps;
    double result_ttl_seconds;
    int result_max_mb;
    char *api_key; /* NULL: none is asked for */
    char *device;  /* never NULL */
    enum firered_dtype dtype;
    int threads;            /* 0: all cores */
    uint64_t memory_limit;  /* bytes; 0: none; FIRERED_MEMORY_AUTO */
    uint64_t device_memory; /* bytes; 0: what is free */
    enum firered_generator seed_generator;
    enum log_format log_format;
    enum log_level log_level;
    char *cors_origins;  /* NULL, "*", or a comma-separated list */
    char *allowed_hosts; /* NULL, or a comma-separated list */
    struct firered_lora *loras;
    size_t lora_count;
    char *negative_prompt; /* never NULL; one space when unset */
    enum pull_mode pull;
    char *hf_home, *hf_token, *hf_endpoint; /* NULL when unset; so the rest */
    char *hf_hub_cache, *huggingface_hub_cache, *hf_token_path, *hugging_face_hub_token;
    char *hf_hub_offline, *transformers_offline, *hf_hub_download_timeout;
    char *hf_hub_disable_implicit_token, *xdg_cache_home;
    char **warnings; /* a sentence each, for whoever started the program */
    size_t warning_count;
};

/* Reads those of `args` that are settings, the environment and, for OPTION_SERVE, `.env` of the
 * working directory; of the table only the settings that `command` uses (enum option_command): the others keep their
 * defaults, whatever the environment says, so that a bad PORT does not stop `firered edit`.
 * A name that nearly is one of these settings, and what is not known in `.env`, is a warning in *out.
 * STATUS_INVALID: one line naming the variable, the value and what is allowed.  STATUS_IO,
 * STATUS_INVALID: `.env` is there but cannot be read.  STATUS_NO_MEMORY.  On success the caller
 * releases *out; when it fails, *out is empty. */
enum status config_read(struct config *out, unsigned command, const struct args *args,
                        struct error *err);

/* Writes the warnings, and the effective settings as one log line, each under its variable's name in small letters; of
 * a secret only whether there is one, and of a URL, which may have one in it, whether it is set. */
void config_log(const struct config *c, const struct log *log);

void config_free(struct config *c); /* leaves it empty */

#endif
