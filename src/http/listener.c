/*
 * A socket that systemd passed is taken as it is (sd_listen_fds(3)); else the first address that can
 * be bound is.  The manager is told by a datagram (sd_notify(3)): both protocols are a few lines, which
 * is why libsystemd is not linked.
 */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511, FIRST_PASSED_FD = 3 };

static int port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
    if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

static bool is_passed(void) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int listening = 0;
    socklen_t size = sizeof listening;
    return pid && count && strtol(pid, NULL, 10) == (long)getpid() &&
           strtol(count, NULL, 10) >= 1 &&
           getsockopt(FIRST_PASSED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
           listening;
}

/* Has connections handed over when their first bytes are there, or after a second. */
static void wait_for_bytes(int fd) {
    int seconds = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

static int bind_one(const struct addrinfo *a) {
    int yes = 1, no = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (a->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    wait_for_bytes(fd);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* 0.0.0.0 is every address of IPv4; where the machine has IPv6, one socket takes both.  -1: it has
 * not, or another address is meant. */
static int bind_every_address(const char *host, int port) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    const struct addrinfo a = {
        .ai_family = AF_INET6, .ai_addr = (struct sockaddr *)&any, .ai_addrlen = sizeof any};
    return strcmp(host, "0.0.0.0") == 0 ? bind_one(&a) : -1;
}

bool listener_is_local(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return false;
    if (address.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&address)->sin6_addr);
    if (address.ss_family != AF_INET) return true;
    return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
}

enum status listener_open(int *fd, const char *host, bool host_from_environment, int *port,
                          bool *passed, struct error *err) {
    *passed = is_passed();
    if (*passed) {
        *fd = FIRST_PASSED_FD;
        fcntl(*fd, F_SETFD, FD_CLOEXEC);
        fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
        wait_for_bytes(*fd);
        *port = port_of(*fd);
        return STATUS_OK;
    }
    char service[16];
    *fd = bind_every_address(host, *port);
    if (*fd >= 0) {
        *port = port_of(*fd);
        return STATUS_OK;
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *list;
    snprintf(service, sizeof service, "%d", *port);
    int e = getaddrinfo(host, service, &hints, &list);
    if (e != 0)
        return fail(err, STATUS_INVALID, "cannot listen on HOST=%s%s: %s%s", host,
                    host_from_environment ? " (from the environment)" : "", gai_strerror(e),
                    host_from_environment
                        ? "; where that was not meant for firered, unset HOST, or "
                          "say --host 0.0.0.0"
                        : "");
    for (const struct addrinfo *a = list; a && *fd < 0; a = a->ai_next) *fd = bind_one(a);
    int why = errno;
    freeaddrinfo(list);
    if (*fd < 0 && why == EADDRINUSE)
        return fail(err, STATUS_IO,
                    "cannot listen on HOST=%s PORT=%d: another program has that port; stop it or "
                    "choose another PORT",
                    host, *port);
    if (*fd < 0)
        return fail(err, STATUS_IO, "cannot listen on HOST=%s PORT=%d: %s", host, *port,
                    strerror(why));
    *port = port_of(*fd);
    return STATUS_OK;
}

void notify_manager(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof to.sun_path) return;
    size_t n = strlen(path);
    memcpy(to.sun_path, path, n);
    if (*path == '@') to.sun_path[0] = '\0'; /* an abstract name: not in the file system */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)sent; /* nobody listens: then nobody waits */
    close(fd);
}
