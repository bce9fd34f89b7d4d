/*
 * firered health: asks a service on HOST and PORT for /health, so that a container needs no other
 * program for its check.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "config/options.h"

enum { PATIENCE_SECONDS = 5 };

/* A service that listens on every address is asked on this machine's own. */
static const char *address_to_ask(const char *host) {
    if (strcmp(host, "0.0.0.0") == 0) return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static int connect_to(const char *host, int port, struct error *err) {
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(host, service, &hints, &list);
    if (code != 0) {
        fail(err, STATUS_IO, "no address for %s: %s", host, gai_strerror(code));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0) fail(err, STATUS_IO, "no service at %s port %d: %s", host, port, strerror(errno));
    return fd;
}

static enum status ask(int fd, struct error *err) {
    static const char request[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char reply[64];
    size_t size = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
        return fail(err, STATUS_IO, "cannot send to the service: %s", strerror(errno));
    while (size < sizeof "HTTP/1.1 200" - 1) {
        ssize_t n = recv(fd, reply + size, sizeof reply - 1 - size, 0);
        if (n < 0) return fail(err, STATUS_IO, "no answer from the service: %s", strerror(errno));
        if (n == 0) break;
        size += (size_t)n;
    }
    reply[size] = '\0';
    if (strncmp(reply, "HTTP/1.1 200", 12) != 0 && strncmp(reply, "HTTP/1.0 200", 12) != 0)
        return fail(err, STATUS_IO, "the service does not answer GET /health with 200");
    return STATUS_OK;
}

static int health(const struct config *config, const struct args *args, struct error *err) {
    (void)args;
    int fd = connect_to(address_to_ask(config->host), config->port, err);
    if (fd < 0) return EXIT_FAILED;
    enum status s = ask(fd, err);
    close(fd);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

int cmd_health(int argc, char **argv) {
    static const struct command command = {
        .name = "health",
        .help = "usage: firered health [FLAGS]\n\n"
                "Exit status 0 when the service on HOST and PORT answers GET /health with 200.\n",
        .options = OPTION_HEALTH,
        .work = health,
    };
    return command_run(&command, argc, argv);
}
