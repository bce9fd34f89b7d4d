/*
 * `firered serve` with the stand-in engine: the same settings from the environment, the same
 * service.  LIMIT_... change the limits that nobody wants to wait for in a test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "http/server.h"

static void set_limit(int *limit, const char *name) {
    const char *value = getenv(name);
    if (value) *limit = atoi(value);
}

int main(int argc, char **argv) {
    struct config config;
    struct error err;
    struct limits limits = limits_default();
    set_limit(&limits.connections, "LIMIT_CONNECTIONS");
    set_limit(&limits.connections_per_address, "LIMIT_CONNECTIONS_PER_ADDRESS");
    set_limit(&limits.silence_seconds, "LIMIT_SILENCE_SECONDS");
    set_limit(&limits.head_seconds, "LIMIT_HEAD_SECONDS");
    set_limit(&limits.reply_seconds, "LIMIT_REPLY_SECONDS");
    set_limit(&limits.heartbeat_seconds, "LIMIT_HEARTBEAT_SECONDS");
    set_limit(&limits.linger_seconds, "LIMIT_LINGER_SECONDS");
    set_limit(&limits.flush_seconds, "LIMIT_FLUSH_SECONDS");
    if (config_load(&config, argc, argv, &err) != STATUS_OK)
        return fprintf(stderr, "%s\n", err.text), 2;
    struct log log = {.least = config.log_level,
                      .json = config.log_format == LOG_FORMAT_JSON,
                      .fd = STDERR_FILENO};
    config_log(&config, &log);
    enum status s = server_run_limited(&config, "fake", "fake-model", &limits, &log, &err);
    config_free(&config);
    if (s != STATUS_OK) fprintf(stderr, "firered: %s\n", err.text);
    return s == STATUS_OK ? 0 : 1;
}
