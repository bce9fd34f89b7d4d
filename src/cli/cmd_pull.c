/*
 * firered pull: a model from the hub into the cache.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/hub_settings.h"
#include "cli/interrupt.h"
#include "cli/json_out.h"
#include "cli/pull_teller.h"
#include "config/options.h"
#include "config/values.h"
#include "hub/pull.h"

enum { MIN_RATE = 16 << 10 };

/* The id, and the flags that say how.  STATUS_INVALID. */
static enum status read_flags(struct hub_file_id *id, struct hub_options *o,
                              struct hub_pull_request *request, const struct args *args,
                              struct error *err) {
    const char *word = args_last(args, ""), *rate = args_last(args, "limit-rate");
    size_t words = 0;
    for (size_t i = 0; i < args->count; i++) words += *args->list[i].flag == '\0';
    if (words != 1)
        return fail(err, STATUS_INVALID, "one model, please: firered pull ORG/NAME[@REV]");
    bool file = hub_file_id_parse(id, word);
    if (!file && !hub_id_parse(&id->id, word)) {
        struct hub_hint hint;
        hub_id_hint(&hint, word, true);
        return fail(
            err, STATUS_INVALID,
            "\"%.200s\" is no id of the form ORG/NAME[@REV], and no file ORG/NAME/FILE[@REV]%s",
            word, hint.text);
    }
    *request = (struct hub_pull_request){.all = args_last(args, "all") != NULL,
                                         .force = args_last(args, "force") != NULL,
                                         .dry_run = args_last(args, "dry-run") != NULL,
                                         .file = file ? id->file : NULL};
    enum status s = flag_int(args, "connections", 1, HUB_CONNECTIONS_MAX, &o->connections, err);
    if (s == STATUS_OK && rate && *rate && (!value_bytes(rate, &o->rate) || o->rate < MIN_RATE))
        s = fail(err, STATUS_INVALID,
                 "--limit-rate is \"%.60s\": bytes a second from 16K on are allowed, such as 10M",
                 rate);
    return s;
}

static enum status tell_result(const struct hub_pull_result *r,
                               const struct hub_pull_request *request, bool json,
                               struct error *err) {
    if (json)
        return json_out(json_pack("{s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:I}", "event", "done",
                                  "dry_run", request->dry_run, "folder", r->folder, "commit",
                                  r->commit, "files", (json_int_t)r->files, "total",
                                  (json_int_t)r->bytes, "fetch", (json_int_t)r->fetch, "received",
                                  (json_int_t)r->received),
                        err);
    if (request->dry_run)
        printf("%zu files, %s, of which %s are to be fetched\n", r->files,
               bytes_shown(r->bytes).text, bytes_shown(r->fetch).text);
    else
        printf("%s%s%s\n", r->folder, request->file ? "/" : "", request->file ? request->file : "");
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the result");
}

static enum status run(struct hub_options *o, const struct hub_id *id,
                       const struct hub_pull_request *request, const struct args *args,
                       struct error *err) {
    const struct log log = {.min_level = LOG_INFO, .fd = STDERR_FILENO};
    struct hub_pull_result result;
    struct pull_teller teller;
    bool json = args_last(args, "json") != NULL;
    pull_teller_start(&teller, "pull", &log);
    if (args_last(args, "quiet")) teller.how = PULL_TELL_NOTHING;
    if (json) teller.how = PULL_TELL_JSON;
    pull_teller_follow(&teller, o);
    interrupt_install();
    interrupt_defer();
    enum status s = hub_pull(o, id, request, &result, err);
    pull_teller_end(&teller);
    if (s == STATUS_OK)
        s = tell_result(&result, request, json, err);
    else if (json)
        json_out(json_pack("{s:s, s:s}", "event", "error", "detail", err->text), NULL);
    hub_pull_result_free(&result);
    return s;
}

static int pull(const struct config *config, const struct args *args, struct error *err) {
    struct hub_environment environment = {0};
    struct hub_options options;
    struct hub_pull_request request;
    struct hub_file_id id;
    enum status s = hub_settings_read(&environment, &options, config, err);
    int exit_status = EXIT_USAGE;
    if (s == STATUS_OK) s = read_flags(&id, &options, &request, args, err);
    if (s == STATUS_OK) {
        s = run(&options, &id.id, &request, args, err);
        exit_status = command_exit_status(s);
    }
    hub_environment_free(&environment);
    return exit_status;
}

static const struct arg_spec own[] = {
    {"", "ID[@REV]"},     {"dry-run", NULL},       {"force", NULL},
    {"connections", "N"}, {"limit-rate", "BYTES"}, {"all", NULL},
    {"json", NULL},       {"quiet", NULL},         {NULL, NULL}};

const struct command command_pull = {
    .name = "pull",
    .summary = "fetch a model from the hub into the cache",
    .help = "usage: firered pull ORG/NAME[@REV] [FLAGS]\n"
            "       firered pull ORG/NAME/FILE[@REV] [FLAGS]     one file, such as a LoRA\n\n"
            "Fetches what the model needs, over several connections, and checks every byte; a\n"
            "pull that was interrupted goes on where it stood.  REV is a branch, a tag, refs/pr/N\n"
            "or a commit.  Writes the folder that the model is in.\n\n"
            "  --dry-run             only tell how much there is to fetch\n"
            "  --force               fetch also what is there\n"
            "  --connections N       1 to 32 at a time (8)\n"
            "  --limit-rate BYTES    a second, all together, such as 10M\n"
            "  --all                 every file of the repository\n"
            "  --json                one JSON object an event, on standard output\n"
            "  --quiet               no progress\n",
    .options = OPTION_HUB,
    .own = own,
    .work = pull,
};
