/*
 * firered health: asks a service on HOST and PORT for /health or /ready, so that a container needs no other
 * program for its check.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json_out.h"
#include "config/options.h"
#include "net/http_client.h"

static const double PATIENCE_SECONDS = 5;

/* A service that listens on every address is asked on this machine's own. */
static const char *address_to_ask(const char *host) {
    if (strcmp(host, "0.0.0.0") == 0) return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static enum status ask(const char *url, const char *path, bool json, struct error *err) {
    struct http_client client;
    struct http_exchange e = {
        .method = "GET", .path = path, .seconds = PATIENCE_SECONDS, .direct = true};
    enum status s = http_client_open(&client, url, NULL, err);
    if (s == STATUS_OK) s = http_client_run(&client, &e, err);
    if (s == STATUS_OK && e.status != 200)
        s = fail(err, STATUS_IO, "the service does not answer GET %s with 200", path);
    const char *text = e.body.size ? e.body.data : "{}"; /* 200 without a word is an answer, too */
    json_t *answer = s == STATUS_OK && json ? json_loads(text, 0, NULL) : NULL;
    if (s == STATUS_OK && json)
        s = answer ? json_out_text(text, err)
                   : fail(err, STATUS_IO,
                          "the service answers GET %s with something else than JSON", path);
    json_decref(answer);
    buffer_free(&e.body);
    http_client_close(&client);
    return s;
}

static int health(const struct config *config, const struct args *args, struct error *err) {
    char url[320];
    const char *host = address_to_ask(config->host);
    bool ipv6 = strchr(host, ':') != NULL;
    snprintf(url, sizeof url, "http://%s%s%s:%d", ipv6 ? "[" : "", host, ipv6 ? "]" : "",
             config->port);
    const char *path = args_last(args, "ready") ? "/ready" : "/health";
    enum status s = ask(url, path, args_last(args, "json") != NULL, err);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct arg_spec own[] = {{"ready", NULL}, {"json", NULL}, {NULL, NULL}};

const struct command command_health = {
    .name = "health",
    .summary = "ask a running service whether it is alive",
    .help = "usage: firered health [--ready] [--json] [FLAGS]\n\n"
            "Exit status 0 when the service on HOST and PORT answers GET /health with 200.\n\n"
            "  --ready  ask whether it can edit yet: GET /ready\n"
            "  --json   write what it answers\n",
    .options = OPTION_HEALTH,
    .own = own,
    .work = health,
};
