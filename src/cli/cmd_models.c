/*
 * firered list, rm, verify: the models that are in the cache.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/hub_settings.h"
#include "cli/interrupt.h"
#include "cli/json_out.h"
#include "cli/pull_teller.h"
#include "config/options.h"
#include "hub/inventory.h"
#include "hub/verify.h"

/* The one id on the command line. */
static enum status read_id(struct hub_id *id, const struct args *args, struct error *err) {
    const char *word = args_last(args, "");
    size_t words = 0;
    for (size_t i = 0; i < args->count; i++) words += *args->list[i].flag == '\0';
    if (words != 1) return fail(err, STATUS_INVALID, "one model, please: ORG/NAME[@REV]");
    if (hub_id_parse(id, word)) return STATUS_OK;
    struct hub_hint hint;
    hub_id_hint(&hint, word, false);
    return fail(err, STATUS_INVALID, "\"%.200s\" is no id of the form ORG/NAME[@REV]%s", word,
                hint.text);
}

static void write_day(char out[32], time_t t) {
    struct tm tm;
    if (t == 0 || !localtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M", &tm) == 0)
        snprintf(out, 32, "-");
}

static json_t *held_json(const struct hub_held *h) {
    char id[256];
    snprintf(id, sizeof id, "%s/%s", h->id.org, h->id.name);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:I}", "id", id, "revision",
                     h->id.revision, "commit", h->commit, "bytes", (json_int_t)h->bytes, "fetching",
                     (json_int_t)h->fetching, "whole", !*h->missing, "missing", h->missing, "used",
                     (json_int_t)h->used);
}

static enum status write_list(const struct hub_inventory *held, bool json, const char *cache,
                              struct error *err) {
    if (json) {
        json_t *models = json_array();
        for (size_t i = 0; i < held->count; i++)
            json_array_append_new(models, held_json(&held->items[i]));
        return json_out(json_pack("{s:s, s:o}", "cache", cache, "models", models), err);
    }
    if (held->count == 0) printf("no models in %s\n", cache);
    for (size_t i = 0; i < held->count; i++) {
        const struct hub_held *h = &held->items[i];
        char day[32], name[512];
        write_day(day, h->used);
        snprintf(name, sizeof name, "%s/%s%s%s", h->id.org, h->id.name, *h->id.revision ? "@" : "",
                 h->id.revision);
        printf("%-48s %-8.8s %10s  %s  %s%s\n", name, h->commit, bytes_shown(h->bytes).text, day,
               *h->missing ? "missing: " : "whole", hub_shown(h->missing, strlen(h->missing)).text);
    }
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the list");
}

static int list(const struct config *config, const struct args *args, struct error *err) {
    struct hub_environment environment = {0};
    struct hub_options options;
    struct hub_inventory held = {0};
    enum status s = hub_settings_read(&environment, &options, config, err);
    int exit_status = s == STATUS_OK ? EXIT_FAILED : EXIT_USAGE;
    if (s == STATUS_OK) s = hub_inventory_read(&held, &options, err);
    if (s == STATUS_OK) s = write_list(&held, args_last(args, "json") != NULL, options.cache, err);
    hub_inventory_free(&held);
    hub_environment_free(&environment);
    return s == STATUS_OK ? EXIT_OK : exit_status;
}

static int rm(const struct config *config, const struct args *args, struct error *err) {
    struct hub_environment environment = {0};
    struct hub_options options;
    struct hub_id id;
    uint64_t bytes = 0;
    enum status s = hub_settings_read(&environment, &options, config, err);
    if (s == STATUS_OK) s = read_id(&id, args, err);
    int exit_status = s == STATUS_OK ? EXIT_FAILED : EXIT_USAGE;
    if (s == STATUS_OK) s = hub_remove(&options, &id, &bytes, err);
    if (s == STATUS_OK && printf("%s freed\n", bytes_shown(bytes).text) < 0)
        s = fail(err, STATUS_IO, "cannot write the result");
    hub_environment_free(&environment);
    return s == STATUS_OK ? EXIT_OK : exit_status;
}

/* Sums up; a model that is not right, or not checked, is a failure. */
static enum status tell_verified(const struct hub_verify_result *r, bool json, struct error *err) {
    size_t bad = r->wrong - r->repaired;
    const char *missing = r->missing.data ? r->missing.data : "";
    enum status s = STATUS_OK;
    if (json)
        s = json_out(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "event", "done", "files",
                               (json_int_t)r->files, "bytes", (json_int_t)r->bytes, "wrong",
                               (json_int_t)r->wrong, "repaired", (json_int_t)r->repaired,
                               "unchecked", (json_int_t)r->unchecked, "wrong_paths",
                               r->wrong_paths.data ? r->wrong_paths.data : "", "missing", missing),
                     err);
    else
        printf("%zu files, %s: %zu wrong%s%s\n", r->files, bytes_shown(r->bytes).text, r->wrong,
               r->repaired ? ", repaired" : "", r->unchecked ? ", some not checked" : "");
    if (s != STATUS_OK) return s;
    if (bad)
        return fail(err, STATUS_INVALID, "%zu files are wrong: --repair fetches them anew", bad);
    if (*missing)
        return fail(err, STATUS_INVALID, "missing: %.300s (--repair fetches it)", missing);
    if (r->unchecked)
        return fail(
            err, STATUS_INVALID,
            "%zu files lie in the snapshot itself, and the hub's list is not at hand to check "
            "them",
            r->unchecked);
    return STATUS_OK;
}

static enum status run_verify(struct hub_options *o, const struct hub_id *id,
                              const struct args *args, struct error *err) {
    const struct log log = {.min_level = LOG_INFO, .fd = 2};
    struct hub_verify_result result;
    struct pull_teller teller;
    bool json = args_last(args, "json") != NULL;
    pull_teller_start(&teller, "verify", &log);
    if (json) teller.how = PULL_TELL_JSON;
    pull_teller_follow(&teller, o);
    interrupt_install();
    interrupt_defer();
    enum status s = hub_verify(o, id, args_last(args, "repair") != NULL, &result, err);
    pull_teller_end(&teller);
    if (s == STATUS_OK) s = tell_verified(&result, json, err);
    hub_verify_result_free(&result);
    return s;
}

static int verify(const struct config *config, const struct args *args, struct error *err) {
    struct hub_environment environment = {0};
    struct hub_options options;
    struct hub_id id;
    enum status s = hub_settings_read(&environment, &options, config, err);
    if (s == STATUS_OK) s = read_id(&id, args, err);
    int exit_status = EXIT_USAGE;
    if (s == STATUS_OK) {
        s = run_verify(&options, &id, args, err);
        exit_status = command_exit_status(s);
    }
    hub_environment_free(&environment);
    return exit_status;
}

static const struct arg_spec list_own[] = {{"json", NULL}, {NULL, NULL}};
static const struct arg_spec rm_own[] = {{"", "ID[@REV]"}, {NULL, NULL}};
static const struct arg_spec verify_own[] = {
    {"", "ID[@REV]"}, {"repair", NULL}, {"json", NULL}, {NULL, NULL}};

const struct command command_list = {
    .name = "list",
    .summary = "the models in the cache",
    .help = "usage: firered list [--json] [FLAGS]\n\n"
            "One line a snapshot: id and revision, commit, size, when it was last used, and\n"
            "whether it is whole, or what is missing.\n\n"
            "  --json   for machines, on one line\n",
    .options = OPTION_HUB,
    .own = list_own,
    .work = list,
};

const struct command command_rm = {
    .name = "rm",
    .summary = "take a model out of the cache",
    .help = "usage: firered rm ORG/NAME[@REV] [FLAGS]\n\n"
            "With a revision only its snapshot goes, with the files that no other snapshot of\n"
            "the model uses; without one all of the model.\n",
    .options = OPTION_HUB,
    .own = rm_own,
    .work = rm,
};

const struct command command_verify = {
    .name = "verify",
    .summary = "check every byte of a model in the cache",
    .help = "usage: firered verify ORG/NAME[@REV] [FLAGS]\n\n"
            "Reads every file and compares it with the hash that the hub gave it.\n\n"
            "  --repair   fetch anew what is wrong, and what is missing\n"
            "  --json     for machines: one JSON object an event, on standard output\n",
    .options = OPTION_HUB,
    .own = verify_own,
    .work = verify,
};
